"""The cells of `test_cells`: name, set-up cell, cell, and whether `--no-probe` splits a site of it (None: either)."""

from __future__ import annotations

Row = tuple[str, str, str, bool | None]

# Names left afterwards, operands as they were, errors, prints.
NAMES: list[Row] = [
    (
        "temp after error",
        "",
        """
for i in range(6):
    y = 1/(3-i)
""",
        True,
    ),
    (
        "temp identity with result",
        "out=[]",
        """
for i in range(6):
    row=[i]
    out.append(row)
row.append('x')
""",
        True,
    ),
    (
        "temp identity after a failing effect",
        "found={}; cells=[0]*3; kept=[]; w='old'",
        """
for i, q in zip(range(20), 'ab'*10):
    u = dict(a=i)
    found[1] = u
    if i < 3:
        w = [i]
        kept.append(w)
    cells[i] = [q]
""",
        True,
    ),
    (
        "temp identity before a failing effect",
        "out=[]; cells=[0]*3",
        """
for i in range(20):
    cells[i] = i
    row = [i]
    out.append(row)
""",
        True,
    ),
    (
        "temp cond",
        "out=[]",
        """
for i in range(6):
    if i==2: y=i
    out.append(i)
""",
        True,
    ),
    (
        "temp cond preexisting",
        "out=[]; y='old'",
        """
for i in range(6):
    if i==2: y=i
    out.append(i)
""",
        True,
    ),
    (
        "temp continue",
        "out=[]",
        """
for i in range(7):
    z=i
    if i%2: continue
    y=[i]
    out.append(y)
""",
        True,
    ),
    (
        "temp break",
        "out=[]",
        """
for i in range(7):
    z=[i]
    if i==4: break
    y=z
    out.append(y)
else:
    done=1
""",
        True,
    ),
    (
        "loopvar rebound",
        "out=[]",
        """
for i in range(5):
    i = i*2
    out.append(i)
""",
        True,
    ),
    (
        "loopvar tuple",
        "out=[]; ps=[(1,[2]),(3,[4])]*3",
        """
for a,(b,) in ps:
    out.append(a+b)
b=9
""",
        True,
    ),
    (
        "loopvar star",
        "out=[]; ps=[(1,2,3),(3,4,5)]*3",
        """
for a,*r in ps:
    out.append(len(r))
""",
        True,
    ),
    (
        "loopvar star id",
        "out=[]; ps=[(1,2,3),(3,4,5)]*3",
        """
for a,*r in ps:
    out.append(r)
r.append(5)
""",
        True,
    ),
    (
        "except as",
        "out=[]",
        """
for i in range(5):
    try:
        out.append(1/(i-2))
    except ZeroDivisionError as e:
        out.append(str(e))
""",
        True,
    ),
    (
        "except as kept",
        "out=[]",
        """
for i in range(5):
    err=None
    try:
        v=1/(i-2)
    except ZeroDivisionError as e:
        err=e
        v=0
    out.append(v)
""",
        True,
    ),
    (
        "except as kept2",
        "out=[]",
        """
for i in range(5):
    try:
        v=1/(i-2)
    except ZeroDivisionError as e:
        err=e
        v=0
    out.append(v)
print(err)
""",
        True,
    ),
    (
        "walrus if",
        "out=[]",
        """
for i in range(5):
    if (m:=i*2)>4:
        out.append(m)
""",
        True,
    ),
    (
        "walrus and",
        "out=[]; m=99",
        """
for i in range(5):
    if i%2 and (m:=i*2)>4:
        out.append(m)
""",
        False,
    ),
    (
        "match names",
        "out=[]; xs=[(1,2),{'k':5},[3,4,5],'s',7]",
        """
for x in xs:
    match x:
        case (a,b): out.append(a+b)
        case {'k':v, **rest}: out.append(v)
        case [p,*q]: out.append(p)
        case str() as s: out.append(s)
        case _: out.append(None)
""",
        True,
    ),
    (
        "match partial binding",
        "out=[]; xs=[(1,2),(3,9),(4,5)]",
        """
for x in xs:
    match x:
        case (a,2): out.append(a)
        case (b,5): out.append(b)
""",
        True,
    ),
    (
        "with names",
        "out=[]; import contextlib",
        """
for i in range(4):
    with contextlib.nullcontext(i) as k:
        j=k*2
    out.append(j)
""",
        True,
    ),
    (
        "with suppress",
        "out=[]; import contextlib",
        """
for i in range(4):
    with contextlib.suppress(ZeroDivisionError):
        j=1/(i-2)
    out.append(i)
""",
        True,
    ),
    (
        "with suppress read",
        "out=[]; import contextlib; j=7",
        """
for i in range(4):
    with contextlib.suppress(ZeroDivisionError):
        j=1/(i-2)
    out.append(j)
""",
        True,
    ),
    (
        "nested break",
        "out=[]",
        """
for i in range(6):
    for j in range(5):
        if j==i: break
    else:
        break
    out.append((i,j))
""",
        True,
    ),
    (
        "nested while else break",
        "out=[]",
        """
for i in range(6):
    k=0
    while k<3:
        k+=1
        if i==9: break
    else:
        if i==4:
            break
    out.append(k)
""",
        True,
    ),
    (
        "nested continue in while",
        "out=[]",
        """
for i in range(6):
    k=0
    while k<i:
        k+=1
        if k%2: continue
        w=k
    out.append(k)
""",
        True,
    ),
    (
        "for else",
        "out=[]",
        """
for i in range(6):
    out.append(i)
else:
    out.append('e')
""",
        True,
    ),
    (
        "empty loop",
        "out=[]; xs=[]",
        """
for i in xs:
    out.append(i); t=i
else:
    e=1
""",
        False,
    ),
    (
        "empty comp",
        "xs=[]",
        "r=[x for x in xs]; s={x for x in xs}; d={x:1 for x in xs}; t=sum(x for x in xs)",
        False,
    ),
    (
        "comp scope",
        "x='outer'; xs=[1,2,3]",
        """
r=[x*y for x in xs for y in range(x)]
s={x%2 for x in xs}
d={x:x for x in xs}
t=sum(x for x in xs)
""",
        True,
    ),
    (
        "for in comp reads loopname",
        "xs=[1,2,3]",
        """
out=[]
for x in xs:
    out.append([x*k for k in range(x)])
""",
        True,
    ),
    (
        "helper reads loopvar",
        """
out=[]
def f(): return i*2
""",
        """
for i in range(5):
    out.append(f())
""",
        False,
    ),
    (
        "helper reads temp",
        """
out=[]
def f(): return t*2
""",
        """
for i in range(5):
    t=i
    out.append(f())
""",
        False,
    ),
    (
        "lambda reads loopvar",
        """
out=[]
f=lambda: i*2
""",
        """
for i in range(5):
    out.append(f())
""",
        False,
    ),
    (
        "helper through dict reads loopvar",
        """
out=[]
def f(): return i*2
D={'f':f}
""",
        """
for i in range(5):
    out.append(D['f']())
""",
        False,
    ),
    (
        "method reads loopvar",
        """
out=[]
class A:
    def m(self): return i*2
a=A()
""",
        """
for i in range(5):
    out.append(a.m())
""",
        False,
    ),
    (
        "prop reads loopvar",
        """
out=[]
class A:
    @property
    def m(self): return i*2
a=A()
""",
        """
for i in range(5):
    out.append(a.m)
""",
        False,
    ),
    (
        "op reads loopvar",
        """
out=[]
class A:
    def __add__(self,o): return i*2+o
a=A()
""",
        """
for i in range(5):
    out.append(a+1)
""",
        False,
    ),
    (
        "getattr reads loopvar",
        """
out=[]
class A:
    def __getattr__(self,n): return i*2
a=A()
""",
        """
for i in range(5):
    out.append(a.foo)
""",
        False,
    ),
    (
        "repr reads loopvar",
        """
out=[]
class A:
    def __repr__(self): return str(i*2)
a=A()
""",
        """
for i in range(5):
    out.append(f'{a!r}')
""",
        False,
    ),
    (
        "init reads loopvar",
        """
out=[]
class A:
    def __init__(self): self.v=i*2
""",
        """
for i in range(5):
    out.append(A().v)
""",
        False,
    ),
    (
        "key reads loopvar",
        """
out=[]
def k(x): return (x*i)%7
""",
        """
for i in range(5):
    out.append(sorted([1,2,3,4,5,6],key=k))
""",
        False,
    ),
    (
        "closure reads loopvar",
        """
out=[]
def mk():
    def g(): return i*2
    return g
g=mk()
""",
        """
for i in range(5):
    out.append(g())
""",
        False,
    ),
    (
        "partial reads loopvar",
        """
out=[]
from functools import partial
def f(a): return i*a
g=partial(f,3)
""",
        """
for i in range(5):
    out.append(g())
""",
        False,
    ),
    (
        "comp helper reads accumulated name",
        """
r=[0]
def f(x): return len(r)+x
""",
        "r=[f(x) for x in range(5)]",
        True,
    ),
    (
        "comp nested in for reads",
        "out=[]",
        """
for i in range(5):
    s=sum(out_i for out_i in range(i))
    out.append(s)
""",
        True,
    ),
    (
        "append then change",
        "out=[]",
        """
for i in range(5):
    row=[i]
    out.append(row)
    row.append(1)
""",
        True,
    ),
    (
        "extend then change",
        "out=[]",
        """
for i in range(5):
    row=[i]
    out.extend(row)
    row.append(1)
""",
        True,
    ),
    (
        "extend gen",
        "out=[]",
        """
for i in range(5):
    row=[i,i+1]
    out.extend(x*2 for x in row)
    row.append(1)
""",
        True,
    ),
    (
        "extend iter",
        "out=[]",
        """
for i in range(5):
    row=[i,i+1]
    it=iter(row)
    out.extend(it)
    out.append(list(it))
""",
        True,
    ),
    (
        "extend zip",
        "out=[]",
        """
for i in range(5):
    row=[i,i+1]
    z=zip(row,row)
    out.extend(z)
""",
        True,
    ),
    (
        "extend enumerate",
        "out=[]",
        """
for i in range(5):
    out.extend(enumerate([i,i]))
""",
        True,
    ),
    (
        "extend map",
        "out=[]",
        """
for i in range(5):
    out.extend(map(str,[i,i]))
""",
        True,
    ),
    (
        "extend dictview",
        "out=[]",
        """
for i in range(5):
    d={i:1}
    out.extend(d.keys())
    d[99]=1
""",
        True,
    ),
    (
        "extend dictview2",
        "out=[]",
        """
for i in range(5):
    d={i:1}
    k=d.keys()
    out.extend(k)
    d[99]=1
""",
        True,
    ),
    (
        "extend set of str",
        "out=[]",
        """
for i in range(5):
    out.extend({'a%d'%i,'b','c','d'})
""",
        False,
    ),
    (
        "update set str",
        "out=set()",
        """
for i in range(5):
    out.update({'a%d'%i,'b','c','d'})
""",
        None,
    ),
    (
        "aug set str",
        "out=set()",
        """
for i in range(5):
    out |= {'a%d'%i,'b','c','d'}
""",
        None,
    ),
    (
        "update dict from setcomp",
        "out={}",
        """
for i in range(5):
    out.update(dict.fromkeys({'a%d'%i,'b','c','d'}))
""",
        False,
    ),
    (
        "aug array then change",
        """
import numpy as np
total=np.zeros(3)
""",
        """
for i in range(5):
    a=np.ones(3)*i
    total+=a
    a[:]=9
""",
        True,
    ),
    (
        "aug scalar arr",
        """
import numpy as np
total=0
""",
        """
for i in range(5):
    a=np.ones(3)*i
    total+=a
    a[:]=9
""",
        True,
    ),
    (
        "aug scalar arr alias",
        """
import numpy as np
total=0; hold=[]
""",
        """
for i in range(5):
    a=np.ones(3)*i
    total+=a
    hold.append(a)
""",
        True,
    ),
    (
        "aug list",
        "total=[]",
        """
for i in range(5):
    a=[i]
    total+=a
    a.append(5)
""",
        True,
    ),
    (
        "aug list tuple",
        "total=[]",
        """
for i in range(5):
    total+=(i,i)
""",
        True,
    ),
    (
        "aug list str",
        "total=[]",
        """
for i in range(5):
    total+='ab'
""",
        True,
    ),
    (
        "aug list gen",
        "total=[]",
        """
for i in range(5):
    total+=(k for k in range(i))
""",
        True,
    ),
    (
        "dsetitem then change",
        "d={}",
        """
for i in range(5):
    row=[i]
    d[i]=row
    row.append(1)
""",
        True,
    ),
    (
        "dsetitem tuple key",
        "d={}",
        """
for i in range(5):
    d[i%2,i]=(i,[i])
""",
        True,
    ),
    (
        "dsetitem chain",
        "d={}; e={}",
        """
for i in range(5):
    d[i]=e[i]=[i]
""",
        False,
    ),
    (
        "setitem same twice",
        "d={}",
        """
for i in range(5):
    d[i]=[i]
    d[i]=[i+1]
""",
        True,
    ),
    (
        "augitem",
        "d={k:0 for k in range(3)}",
        """
for i in range(9):
    d[i%3]+=i
""",
        True,
    ),
    (
        "augitem keyerror",
        "d={0:0,1:1}",
        """
for i in range(9):
    d[i%3]+=i
    t=i
""",
        True,
    ),
    (
        "augitem list",
        "d={k:[] for k in range(3)}",
        """
for i in range(9):
    d[i%3]+=[i]
""",
        True,
    ),
    (
        "augitem default",
        """
from collections import defaultdict
d=defaultdict(list)
""",
        """
for i in range(9):
    d[i%3]+=[i]
""",
        True,
    ),
    (
        "dd append",
        """
from collections import defaultdict
d=defaultdict(list)
""",
        """
for i in range(9):
    d[i%3].append(i)
""",
        True,
    ),
    (
        "counter aug",
        """
from collections import Counter
d=Counter()
""",
        """
for i in range(9):
    d[i%3]+=1
""",
        True,
    ),
    (
        "counter update",
        """
from collections import Counter
d=Counter()
""",
        """
for i in range(9):
    d.update([i%3,'a'])
""",
        True,
    ),
    (
        "counter update str",
        """
from collections import Counter
d=Counter(); ws=['hello','world','foo']
""",
        """
for w in ws:
    d.update(w)
""",
        True,
    ),
    (
        "counter plus",
        """
from collections import Counter
d=Counter()
""",
        """
for i in range(9):
    d = d + Counter({i%3:1})
""",
        True,
    ),
    (
        "append none return",
        "out=[]",
        """
for i in range(5):
    r = out.append(i)
""",
        False,
    ),
    (
        "two lists same row",
        "a=[];b=[]",
        """
for i in range(5):
    row=[i]
    a.append(row); b.append(row)
a[0].append('z')
""",
        True,
    ),
    (
        "append global obj",
        "a=[]; g=[1]",
        """
for i in range(5):
    a.append(g)
g.append(2)
""",
        True,
    ),
    (
        "append item",
        "a=[]; xs=[[1],[2],[3]]",
        """
for x in xs:
    a.append(x)
xs[0].append(2)
""",
        True,
    ),
    (
        "append item twice same",
        "a=[]; g=[1]; xs=[g,[2],g]",
        """
for x in xs:
    a.append(x)
xs[0].append(2)
""",
        True,
    ),
    (
        "append sub item",
        "a=[]; g=[1]; xs=[(g,1),([2],2),(g,3)]",
        """
for x,k in xs:
    a.append({'v':x,'k':k})
xs[0][0].append(2)
""",
        True,
    ),
    (
        "alias acc in dict",
        "out=[]; D={'o':out}",
        """
for i in range(5):
    out.append(i)
    n=len(D['o'])
""",
        False,
    ),
    (
        "alias acc in default",
        """
out=[]
def f(i,o=out): return len(o)
""",
        """
for i in range(5):
    out.append(f(i))
""",
        False,
    ),
    (
        "alias acc in closure",
        """
out=[]
def mk(o):
    return lambda: len(o)
f=mk(out)
""",
        """
for i in range(5):
    out.append(f())
""",
        False,
    ),
    (
        "alias acc in class",
        """
out=[]
class C:
    o=out
    def n(self): return len(self.o)
""",
        """
for i in range(5):
    out.append(C().n())
""",
        False,
    ),
    (
        "alias acc in item",
        "out=[]; xs=[out,[1],out]",
        """
for x in xs:
    out.append(len(x))
""",
        False,
    ),
    (
        "alias acc mod",
        """
import types
out=[]; m=types.ModuleType('m'); m.o=out
""",
        """
for i in range(5):
    out.append(len(m.o))
""",
        False,
    ),
    (
        "alias two acc",
        "a=[]; b=a",
        """
for i in range(5):
    a.append(i)
    b.append(-i)
""",
        True,
    ),
    (
        "acc from sysmod",
        """
import sys
out=[]
sys.hunted=out
""",
        """
for i in range(5):
    out.append(len(sys.hunted))
""",
        False,
    ),
    (
        "helper append out",
        """
out=[]
def add(x): out.append(x)
""",
        """
for i in range(5):
    add(i)
""",
        False,
    ),
    (
        "helper append arg",
        """
out=[]
def add(o,x): o.append(x)
""",
        """
for i in range(5):
    add(out,i)
""",
        False,
    ),
    (
        "method alias append",
        "out=[]; add=out.append",
        """
for i in range(5):
    add(i)
""",
        False,
    ),
    (
        "unbound append",
        "out=[]",
        """
for i in range(5):
    list.append(out,i)
""",
        False,
    ),
    (
        "setitem slice",
        "a=[0]*10",
        """
for i in range(5):
    a[i*2:i*2+2]=[i,i]
""",
        True,
    ),
    (
        "setitem np slice",
        """
import numpy as np
a=np.zeros((5,4))
""",
        """
for i in range(5):
    a[i,:]=i
    a[i,1:3]+=1
""",
        True,
    ),
    (
        "setitem np view value",
        """
import numpy as np
a=np.zeros((5,4)); b=np.arange(20.).reshape(5,4)
""",
        """
for i in range(5):
    a[i]=b[i]
""",
        True,
    ),
    (
        "setitem np own",
        """
import numpy as np
a=np.arange(20.).reshape(5,4)
""",
        """
for i in range(5):
    a[i]=a[i]*2
""",
        True,
    ),
    (
        "setitem np iter",
        """
import numpy as np
a=np.arange(20.).reshape(5,4)
""",
        """
for i,row in enumerate(a):
    a[i]=row[::-1]
""",
        False,
    ),
    (
        "np int overflow",
        """
import numpy as np
t=np.int8(100)
""",
        """
for i in range(5):
    t+=np.int8(20)
""",
        True,
    ),
    (
        "np f32",
        """
import numpy as np
t=np.float32(0)
""",
        """
for i in range(5):
    t+=0.1
""",
        True,
    ),
    (
        "np uint8 setitem",
        """
import numpy as np
a=np.zeros(5,np.uint8)
""",
        """
for i in range(5):
    a[i]=i*100
""",
        True,
    ),
    (
        "np float to int setitem",
        """
import numpy as np
a=np.zeros(5,int)
""",
        """
for i in range(5):
    a[i]=i*1.7
""",
        True,
    ),
    (
        "np list setitem error",
        """
import numpy as np
a=np.zeros((5,2))
""",
        """
for i in range(5):
    a[i]=[1]*(2 if i<3 else 5)
    q=i
""",
        True,
    ),
    (
        "np index error",
        """
import numpy as np
a=np.zeros(3); t='none'
""",
        """
for i in range(5):
    a[i]=i
    t=i
""",
        True,
    ),
    (
        "list index error",
        "a=[0]*3",
        """
for i in range(5):
    a[i]=i
    t=i
""",
        True,
    ),
    (
        "add unhashable",
        "s=set()",
        """
for i in range(5):
    u=i
    s.add([i] if i==3 else i)
""",
        True,
    ),
    (
        "aug type error",
        "t=0",
        """
for i in range(5):
    u=i
    t+= 'a' if i==3 else i
""",
        True,
    ),
    (
        "print then raise",
        "",
        """
for i in range(5):
    print('a',i)
    if i==3: raise ValueError(i)
    print('b',i)
""",
        True,
    ),
    (
        "raise custom",
        "class E(Exception): pass",
        """
for i in range(5):
    if i==3: raise E(i)
""",
        True,
    ),
    (
        "raise from",
        "",
        """
for i in range(5):
    try:
        1/(3-i)
    except ZeroDivisionError as e:
        raise ValueError('x') from e
""",
        True,
    ),
    (
        "raise catch outside",
        "out=[]",
        """
try:
    for i in range(5):
        out.append(1/(3-i))
except ZeroDivisionError:
    i2=i
""",
        True,
    ),
    (
        "assert",
        "out=[]",
        """
for i in range(5):
    out.append(i)
    assert i<3, i
    out.append(-i)
""",
        True,
    ),
    (
        "comp raise",
        "",
        "r=[1/(3-i) for i in range(6)]",
        True,
    ),
    (
        "comp raise caught",
        "r='old'",
        """
try:
    r=[1/(3-i) for i in range(6)]
except ZeroDivisionError as e:
    k=str(e)
""",
        True,
    ),
    (
        "comp dict dup",
        "",
        "r={i%3:i for i in range(9)}; s={i%3 for i in range(9)}",
        True,
    ),
    (
        "comp dict keyident",
        "xs=[1,1.0,True]",
        "r={x:i for i,x in enumerate(xs)}; s={x for x in xs}",
        True,
    ),
    (
        "comp set strs",
        "",
        "r={str(i) for i in range(20)}",
        True,
    ),
    (
        "comp if nested",
        "xs=[[1,2],[3],[4,5]]",
        "r=[y for x in xs if len(x)>1 for y in x if y>1]",
        True,
    ),
    (
        "comp item identity",
        "xs=[[1,2],[3],[4,5]]",
        """
r=[x for x in xs if len(x)>1]
r[0].append(9)
""",
        True,
    ),
    (
        "sum lists",
        "xs=[[1,2],[3],[4,5]]",
        "r=sum((x for x in xs),[])",
        True,
    ),
    (
        "max tie",
        "xs=[[1,2],[1,2],[0]]",
        "r=max(x for x in xs); k=r is xs[0]",
        True,
    ),
    (
        "max key",
        "xs=['a','bb','cc']",
        "r=max((x for x in xs),key=len); s=min((len(x) for x in xs),default=3)",
        True,
    ),
    (
        "sorted rev",
        "xs=[(1,'b'),(1,'a')]",
        "r=sorted((x for x in xs),reverse=True,key=lambda t:t[0])",
        True,
    ),
    (
        "tuple dict",
        "xs=[1,2,3]",
        "r=tuple(x for x in xs); d=dict((x,[x]) for x in xs); l=list(map(str,xs))",
        True,
    ),
    (
        "set gen",
        "xs=['a','b','c','d','e']",
        "r=set(x*2 for x in xs)",
        True,
    ),
    (
        "any all",
        "xs=[1,2,0]",
        "r=any(10/x<3 for x in xs) if False else 1; s=all(x<2 for x in xs)",
        True,
    ),
    (
        "str join",
        "xs=[1,2,0]",
        "r=','.join(str(x) for x in xs)",
        True,
    ),
    (
        "max empty err",
        "xs=[]",
        "r=max(x for x in xs)",
        False,
    ),
    (
        "print in comp",
        """
def f(x):
    print('p',x)
    return x
""",
        """
r=[f(x) for x in range(4)]
print(r)
""",
        True,
    ),
    (
        "print in sum",
        """
def f(x):
    print('p',x)
    return x
""",
        "r=sum(f(x) for x in range(4))",
        True,
    ),
    (
        "print key order",
        """
def f(x):
    print('p',x)
    return x
def k(x):
    print('k',x)
    return x
""",
        "r=sorted((f(x) for x in range(4)),key=k)",
        True,
    ),
    (
        "print sum add",
        """
class A:
    def __init__(s,v): s.v=v
    def __radd__(s,o):
        print('add',s.v)
        return o+s.v
def f(x):
    print('p',x)
    return A(x)
""",
        "r=sum(f(x) for x in range(4))",
        True,
    ),
    (
        "stderr mix",
        "import sys",
        """
for i in range(4):
    print('o',i)
    print('e',i,file=sys.stderr)
    sys.stdout.write('w\\n'); sys.stdout.flush()
""",
        True,
    ),
    (
        "stderr redirect",
        "import sys,io,contextlib",
        """
b=io.StringIO()
with contextlib.redirect_stderr(b):
    for i in range(4):
        print('e',i,file=sys.stderr)
""",
        True,
    ),
    (
        "inner redirect",
        "import io,contextlib; out=[]",
        """
for i in range(4):
    b=io.StringIO()
    with contextlib.redirect_stdout(b):
        print('e',i)
    out.append(b.getvalue())
""",
        True,
    ),
    (
        "inner redirect shared",
        "import io,contextlib; b=io.StringIO()",
        """
for i in range(4):
    with contextlib.redirect_stdout(b):
        print('e',i)
""",
        False,
    ),
    (
        "print file shared",
        "import io; b=io.StringIO()",
        """
for i in range(4):
    print('e',i,file=b)
""",
        False,
    ),
    (
        "saved stdout",
        "import sys; o=sys.stdout",
        """
for i in range(4):
    print('e',i,file=o)
""",
        False,
    ),
    (
        "pprint",
        "import pprint",
        """
for i in range(4):
    pprint.pprint({'a':i})
""",
        True,
    ),
]

# State that helpers hide.
STATE: list[Row] = [
    (
        "npset row list",
        """
import numpy as np
a=np.zeros((5,2))
""",
        """
for i in range(5):
    row=[i,i]
    a[i]=row
    row[0]=99
""",
        True,
    ),
    (
        "npset idx",
        """
import numpy as np
a=np.zeros(9)
""",
        """
for i in range(5):
    ix=[i]
    a[ix]=i
    ix[0]=8
""",
        True,
    ),
    (
        "list slice set",
        "a=[0]*10",
        """
for i in range(5):
    row=[i,i]
    a[i*2:i*2+2]=row
    row[0]=99
""",
        True,
    ),
    (
        "list slice var",
        "a=[0]*10",
        """
for i in range(5):
    row=[i,i]
    s=slice(i*2,i*2+2)
    a[s]=row
    row[0]=99
""",
        True,
    ),
    (
        "aug nested list into array",
        """
import numpy as np
a=np.zeros((2,2))
""",
        """
for i in range(5):
    m=[[i,i],[i,i]]
    a+=m
    m[0][0]=99
""",
        True,
    ),
    (
        "aug own",
        """
class V:
    def __init__(s,x): s.x=[x]
    def __radd__(s,o): return o+s.x[0]
t=0
""",
        """
for i in range(5):
    v=V(i)
    t+=v
    v.x[0]=99
""",
        False,
    ),
    (
        "aug call own",
        """
class V:
    def __init__(s,x): s.x=[x]
    def __radd__(s,o): return V(o+s.x[0])
    def __add__(s,o): return V(s.x[0]+o.x[0])
t=0
""",
        """
for i in range(5):
    t+=V(i)
""",
        False,
    ),
    (
        "with names2",
        "import numpy as np; out=[]",
        """
for i in range(4):
    with np.errstate(divide='ignore'):
        j=np.float64(1)/i
    out.append(j)
""",
        True,
    ),
    (
        "inner after",
        "out=[]",
        """
for i in range(4):
    for k in range(i):
        v=k*2
    out.append(v if i else 0)
""",
        True,
    ),
    (
        "inner after none",
        "out=[]; v='old'",
        """
for i in range(4):
    for k in range(i):
        v=k*2
    out.append(v)
""",
        False,
    ),
    (
        "inner after carry",
        "out=[]",
        """
for i in [3,0,2,0]:
    for k in range(i):
        v=k*2
    out.append((v,k))
""",
        True,
    ),
    (
        "inner break first",
        "out=[]; v='old'",
        """
for i in range(4):
    for k in range(3):
        if i==2: break
        v=k
    out.append(v)
""",
        True,
    ),
    (
        "suppress carry",
        "import contextlib; out=[]; j='old'",
        """
for i in range(4):
    with contextlib.suppress(ZeroDivisionError):
        j=1/(i-2)
    out.append(j)
""",
        True,
    ),
    (
        "suppress carry aug",
        "import contextlib; t=0; j=5",
        """
for i in range(4):
    with contextlib.suppress(ZeroDivisionError):
        j=1/(i-2)
    t+=j
""",
        True,
    ),
    (
        "while var",
        "out=[]",
        """
for i in range(4):
    n=i
    while n>0:
        last=n
        n-=1
    out.append(last)
""",
        False,
    ),
    (
        "default arg dict",
        """
def f(x,cache={}):
    if x not in cache: cache[x]=len(cache)
    return cache[x]
""",
        "r=[f(x) for x in 'abcab']",
        False,
    ),
    (
        "kwdefault",
        """
def f(x,*,seen=[]):
    seen.append(x)
    return len(seen)
""",
        "r=[f(x) for x in 'abcab']",
        False,
    ),
    (
        "nested default",
        """
def g(x,seen):
    seen.append(x)
    return len(seen)
S=[]
def f(x): return g(x,S)
""",
        "r=[f(x) for x in 'abcab']",
        False,
    ),
    (
        "alias local global",
        """
S=[]
def f(x):
    t=S
    t.append(x)
    return len(t)
""",
        "r=[f(x) for x in 'abcab']",
        False,
    ),
    (
        "alias cond",
        """
S=[]
def f(x):
    t=S if x>2 else []
    t.append(x)
    return len(t)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias or",
        """
S=[]
def f(x,acc=None):
    acc = acc or S
    acc.append(x)
    return len(acc)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias tuple",
        """
S=[]
def f(x):
    a,b=S,[]
    a.append(x)
    return len(a)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias list elem",
        """
S=[]
def f(x):
    L=[S]
    L[0].append(x)
    return len(L[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias dict elem",
        """
S=[]
def f(x):
    L={'k':S}
    L['k'].append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias for",
        """
S=[]
def f(x):
    for L in [S]:
        L.append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias comp",
        """
S=[]
def f(x):
    [L.append(x) for L in [S]]
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias return",
        """
S=[]
def get(): return S
def f(x):
    get().append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias return2",
        """
S=[]
def get(): return S
def f(x):
    s=get()
    s.append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias return list",
        """
S=[]
def get(): return [S]
def f(x):
    get()[0].append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias ident",
        """
S=[]
def ident(z): return z
def f(x):
    ident(S).append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias ident wrap",
        """
S=[]
def wrap(z): return [z]
def f(x):
    wrap(S)[0].append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias ident wrap2",
        """
S=[]
def wrap(z):
    o=[]
    o.append(z)
    return o
def f(x):
    wrap(S)[0].append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias append fresh",
        """
S=[]
def f(x):
    o=[]
    o.append(S)
    o[0].append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias extend fresh",
        """
S=[[]]
def f(x):
    o=[]
    o.extend(S)
    o[0].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias aug fresh",
        """
S=[[]]
def f(x):
    o=[]
    o+=S
    o[0].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias list copy",
        """
S=[[]]
def f(x):
    o=list(S)
    o[0].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias slice copy",
        """
S=[[]]
def f(x):
    o=S[:]
    o[0].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias dict copy",
        """
S={'a':[]}
def f(x):
    o=S.copy()
    o['a'].append(x)
    return len(S['a'])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias dict star",
        """
S={'a':[]}
def f(x):
    o={**S}
    o['a'].append(x)
    return len(S['a'])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias list star",
        """
S=[[]]
def f(x):
    o=[*S]
    o[0].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias binop",
        """
S=[[]]
def f(x):
    o=[]+S
    o[0].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias binop2",
        """
S=[[]]
def f(x):
    o=[0]+S
    o[1].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias mult",
        """
S=[[]]
def f(x):
    o=S*2
    o[1].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias sorted",
        """
S=[[3],[1]]
def f(x):
    o=sorted(S)
    o[0].append(x)
    return len(S[1])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias max",
        """
S=[[3],[1]]
def f(x):
    o=max(S)
    o.append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias next iter",
        """
S=[[3],[1]]
def f(x):
    o=next(iter(S))
    o.append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias values",
        """
S={'a':[]}
def f(x):
    for v in S.values(): v.append(x)
    return len(S['a'])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias items",
        """
S={'a':[]}
def f(x):
    for k,v in S.items(): v.append(x)
    return len(S['a'])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias get",
        """
S={'a':[]}
def f(x):
    S.get('a').append(x)
    return len(S['a'])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias setdefault",
        """
S={'a':[]}
def f(x):
    S.setdefault(x%2,[]).append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias filter",
        """
S=[[3],[1]]
def f(x):
    for o in filter(None,S): o.append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias reversed",
        """
S=[[3],[1]]
def f(x):
    for o in reversed(S): o.append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias enumerate",
        """
S=[[3],[1]]
def f(x):
    for i,o in enumerate(S): o.append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias zip",
        """
S=[[3],[1]]
def f(x):
    for a,o in zip(range(2),S): o.append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias chain",
        """
import itertools
S=[[3],[1]]
def f(x):
    for o in itertools.chain(S,[]): o.append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias chain list",
        """
import itertools
S=[[3],[1]]
def f(x):
    L=list(itertools.chain(S,[]))
    L[0].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias islice next",
        """
import itertools
S=[[3],[1]]
def f(x):
    o=next(itertools.islice(S,1))
    o.append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias deque",
        """
from collections import deque
S=[[3],[1]]
def f(x):
    o=deque(S)
    o[0].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias dd",
        """
from collections import defaultdict
S=[[3],[1]]
def f(x):
    o=defaultdict(lambda: S[0])
    o[1].append(x)
    return len(S[0])
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias dd2",
        """
from collections import defaultdict
S=[]
def mk(): return S
def f(x):
    o=defaultdict(mk)
    o[1].append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias namedtuple",
        """
from collections import namedtuple
P=namedtuple('P','a b')
S=[]
def f(x):
    p=P(S,1)
    p.a.append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias dataclass",
        """
from dataclasses import dataclass
@dataclass
class P:
    a: list
S=[]
def f(x):
    p=P(S)
    p.a.append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias simplens",
        """
from types import SimpleNamespace as N
S=[]
def f(x):
    p=N(a=S)
    p.a.append(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias init",
        """
class P:
    def __init__(self,a): self.a=a
    def add(self,x): self.a.append(x)
S=[]
def f(x):
    p=P(S)
    p.add(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias init glob",
        """
S=[]
class P:
    def __init__(self): self.a=S
    def add(self,x): self.a.append(x)
def f(x):
    p=P()
    p.add(x)
    return len(S)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias classattr",
        """
class P:
    a=[]
    def add(self,x): self.a.append(x)
def f(x):
    p=P()
    p.add(x)
    return len(P.a)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias classattr2",
        """
class P:
    a=[]
def f(x):
    p=P()
    p.a.append(x)
    return len(P.a)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "alias super",
        """
class B:
    a=[]
    def add(self,x): self.a.append(x)
class P(B):
    def add(self,x): super().add(x)
def f(x):
    P().add(x)
    return len(B.a)
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "type self",
        """
class P:
    n=0
    def __init__(self): type(self).n+=1
def f(x):
    P()
    return P.n
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "self class",
        """
class P:
    n=0
    def __init__(self): self.__class__.n+=1
def f(x):
    P()
    return P.n
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "classmethod count",
        """
class P:
    n=0
    @classmethod
    def mk(cls):
        cls.n+=1
        return cls()
def f(x):
    P.mk()
    return P.n
""",
        "r=[f(x) for x in range(5)]",
        False,
    ),
    (
        "instances reg",
        """
class P:
    reg=[]
    def __init__(self,x):
        self.x=x
        P.reg.append(self)
""",
        "r=[P(x).x for x in range(5)]",
        False,
    ),
    (
        "init subclass reg",
        """
reg=[]
class P:
    def __init_subclass__(cls): reg.append(cls.__name__)
""",
        "r=[type('Q%d'%x,(P,),{}).__name__ for x in range(4)]",
        False,
    ),
    (
        "new singleton",
        """
class P:
    inst=None
    def __new__(cls):
        if cls.inst is None: cls.inst=super().__new__(cls)
        return cls.inst
""",
        "r=[P() for x in range(4)]",
        False,
    ),
    (
        "new memo",
        """
class P:
    memo={}
    def __new__(cls,x):
        return cls.memo.setdefault(x%2,super().__new__(cls))
""",
        "r=[P(x) for x in range(4)]",
        False,
    ),
    (
        "post init",
        """
from dataclasses import dataclass
log=[]
@dataclass
class P:
    a: int
    def __post_init__(self): log.append(self.a)
""",
        "r=[P(x) for x in range(4)]",
        False,
    ),
    (
        "dc default factory",
        """
from dataclasses import dataclass,field
count=[0]
def nxt():
    count[0]+=1
    return count[0]
@dataclass
class P:
    a: int
    id: int = field(default_factory=nxt)
""",
        "r=[P(x) for x in range(4)]",
        False,
    ),
    (
        "dc counter",
        """
from dataclasses import dataclass,field
import itertools
ids=itertools.count()
@dataclass
class P:
    a: int
    id: int = field(default_factory=lambda: next(ids))
""",
        "r=[P(x) for x in range(4)]",
        False,
    ),
    (
        "dc counter2",
        """
from dataclasses import dataclass,field
import itertools
@dataclass
class P:
    a: int
    id: int = field(default_factory=itertools.count().__next__)
""",
        "r=[P(x) for x in range(4)]",
        False,
    ),
    (
        "class counter iter",
        """
import itertools
class P:
    ids=itertools.count()
    def __init__(self): self.id=next(self.ids)
""",
        "r=[P().id for x in range(4)]",
        False,
    ),
    (
        "descriptor get",
        """
class D:
    n=0
    def __get__(self,o,t):
        D.n+=1
        return D.n
class P:
    v=D()
p=P()
""",
        "r=[p.v for x in range(4)]",
        False,
    ),
    (
        "descriptor set",
        """
log=[]
class D:
    def __set__(self,o,v): log.append(v)
class P:
    v=D()
""",
        """
r=[]
for x in range(4):
    p=P()
    p.v=x
    r.append(x)
""",
        False,
    ),
    (
        "prop setter",
        """
log=[]
class P:
    @property
    def v(self): return 1
    @v.setter
    def v(self,x): log.append(x)
""",
        """
r=[]
for x in range(4):
    p=P()
    p.v=x
    r.append(x)
""",
        False,
    ),
    (
        "setattr hook",
        """
log=[]
class P:
    def __setattr__(self,n,v): log.append(n)
""",
        """
r=[]
for x in range(4):
    p=P()
    p.v=x
    r.append(x)
""",
        False,
    ),
    (
        "getattr hook",
        """
log=[]
class P:
    def __getattr__(self,n):
        log.append(n)
        return 1
p=P()
""",
        "r=[p.zz+x for x in range(4)]",
        False,
    ),
    (
        "getitem hook",
        """
class P:
    def __init__(s): s.n=0
    def __getitem__(s,k):
        s.n+=1
        return s.n
p=P()
""",
        "r=[p[x] for x in range(4)]",
        False,
    ),
    (
        "missing hook",
        """
class P(dict):
    def __missing__(s,k):
        s[k]=len(s)
        return s[k]
p=P()
""",
        "r=[p[x] for x in 'abab']",
        False,
    ),
    (
        "ddict read",
        """
from collections import defaultdict
d=defaultdict(list)
""",
        "r=[len(d[x]) for x in 'abab']",
        False,
    ),
    (
        "ddict read helper",
        """
from collections import defaultdict
d=defaultdict(int)
def f(k): return d[k]
""",
        "r=[f(x) for x in 'abab']",
        False,
    ),
    (
        "contains hook",
        """
log=[]
class P:
    def __contains__(s,k):
        log.append(k)
        return True
p=P()
""",
        "r=[x in p for x in range(4)]",
        False,
    ),
    (
        "eq hook",
        """
log=[]
class P:
    def __eq__(s,k):
        log.append(k)
        return True
p=P()
""",
        "r=[p==x for x in range(4)]",
        False,
    ),
    (
        "len hook",
        """
log=[]
class P:
    def __len__(s):
        log.append(1)
        return len(log)
p=P()
""",
        "r=[len(p) for x in range(4)]",
        False,
    ),
    (
        "bool hook",
        """
log=[]
class P:
    def __bool__(s):
        log.append(1)
        return True
p=P()
""",
        "r=[1 if p else 2 for x in range(4)]",
        False,
    ),
    (
        "iter hook",
        """
log=[]
class P:
    def __iter__(s):
        log.append(1)
        return iter([1])
p=P()
""",
        "r=[list(p) for x in range(4)]",
        False,
    ),
    (
        "call hook",
        """
class P:
    n=0
    def __call__(s):
        s.n+=1
        return s.n
p=P()
""",
        "r=[p() for x in range(4)]",
        False,
    ),
    (
        "call hook alias",
        """
class P:
    def __init__(s): s.L=[]
    def __call__(s):
        s.L.append(1)
        return len(s.L)
p=P()
""",
        "r=[p() for x in range(4)]",
        False,
    ),
    (
        "hash hook",
        """
log=[]
class P:
    def __hash__(s):
        log.append(1)
        return 1
p=P()
""",
        "r=[{p:1} for x in range(4)]",
        False,
    ),
    (
        "format hook",
        """
log=[]
class P:
    def __format__(s,spec):
        log.append(1)
        return 'x'
p=P()
""",
        "r=[f'{p:>3}' for x in range(4)]",
        False,
    ),
    (
        "enter hook",
        """
log=[]
class P:
    def __enter__(s): log.append(1)
    def __exit__(s,*a): log.append(2)
""",
        """
r=[]
for x in range(4):
    with P():
        r.append(x)
""",
        False,
    ),
    (
        "ctxmgr gen",
        """
import contextlib
log=[]
@contextlib.contextmanager
def P():
    log.append(1)
    yield 5
    log.append(2)
""",
        """
r=[]
for x in range(4):
    with P() as q:
        pass
    r.append(q)
""",
        False,
    ),
    (
        "ctxmgr gen pure",
        """
import contextlib
@contextlib.contextmanager
def P(x):
    yield x*2
""",
        """
r=[]
for x in range(4):
    with P(x) as q:
        z=q+1
    r.append(q)
""",
        True,
    ),
    (
        "decorator count",
        """
import functools
n=[0]
def counted(f):
    @functools.wraps(f)
    def g(*a):
        n[0]+=1
        return f(*a)
    return g
@counted
def f(x): return x
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "decorator pure",
        """
import functools
def deco(f):
    @functools.wraps(f)
    def g(*a,**k):
        return f(*a,**k)+1
    return g
@deco
def f(x): return x*2
""",
        "r=[f(x) for x in range(4)]",
        True,
    ),
    (
        "decorator memo",
        """
import functools
def memo(f):
    cache={}
    @functools.wraps(f)
    def g(x):
        if x not in cache: cache[x]=f(x)
        return cache[x]
    return g
@memo
def f(x): return x*2
""",
        "r=[f(x) for x in [1,2,1]]; k=len(f.__closure__[0].cell_contents)",
        False,
    ),
    (
        "closure nonlocal",
        """
def mk():
    n=0
    def f(x):
        nonlocal n
        n+=1
        return n
    return f
f=mk()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "closure list",
        """
def mk():
    n=[]
    def f(x):
        n.append(x)
        return len(n)
    return f
f=mk()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "partial state",
        """
from functools import partial
def add(L,x):
    L.append(x)
    return len(L)
f=partial(add,[])
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "partial state kw",
        """
from functools import partial
def add(x,L):
    L.append(x)
    return len(L)
f=partial(add,L=[])
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "partial builtin",
        """
from functools import partial
L=[]
f=partial(L.append)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "bound method state",
        """
class A:
    def __init__(s): s.n=0
    def f(s,x):
        s.n+=x
        return s.n
a=A(); f=a.f
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "map bound",
        """
class A:
    def __init__(s): s.n=0
    def f(s,x):
        s.n+=x
        return s.n
a=A()
""",
        "r=list(map(a.f,range(5)))",
        False,
    ),
    (
        "map append",
        "L=[]",
        "r=list(map(L.append,range(5)))",
        False,
    ),
    (
        "reduce mut",
        """
from functools import reduce
L=[]
def op(a,b):
    a.append(b)
    return a
def f(x): return len(reduce(op,range(x),L))
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "reduce lambda",
        """
from functools import reduce
L=[]
def f(x): return len(reduce(lambda a,b: a.append(b) or a,range(x),L))
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "map side",
        """
L=[]
def g(x): L.append(x)
def f(x):
    list(map(g,range(x)))
    return len(L)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "map lambda side",
        """
L=[]
def f(x):
    list(map(lambda y: L.append(y),range(x)))
    return len(L)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "sort key side",
        """
L=[]
def f(x):
    sorted([3,1],key=lambda y: L.append(y) or y)
    return len(L)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "sort key fn",
        """
L=[]
def k(y):
    L.append(y)
    return y
def f(x):
    sorted([3,1],key=k)
    return len(L)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "heappush",
        """
import heapq
h=[]
def f(x):
    heapq.heappush(h,x)
    return len(h)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "heappush loop",
        """
import heapq
h=[]
""",
        """
for x in [5,1,4]:
    heapq.heappush(h,x)
""",
        False,
    ),
    (
        "insort",
        """
import bisect
h=[]
""",
        """
for x in [5,1,4]:
    bisect.insort(h,x)
""",
        False,
    ),
    (
        "deque rotate",
        """
from collections import deque
d=deque(range(5))
def f(x):
    d.rotate(1)
    return d[0]
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "dict pop",
        """
d={1:2,2:3}
def f(x): return d.pop(x,None)
""",
        "r=[f(x) for x in [1,1,2]]",
        False,
    ),
    (
        "vars write",
        """
class P: pass
p=P()
def f(x):
    vars(p)['a']=x
    return p.a
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "dict write",
        """
class P: pass
p=P(); p.a=0
def f(x):
    p.__dict__['a']+=x
    return p.a
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "obj setattr",
        """
class P: pass
p=P()
def f(x):
    object.__setattr__(p,'a',getattr(p,'a',0)+x)
    return p.a
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "setattr b",
        """
class P: pass
p=P()
def f(x):
    setattr(p,'a',getattr(p,'a',0)+x)
    return p.a
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "op setitem",
        """
import operator
d={}
def f(x):
    operator.setitem(d,x,1)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "op iadd",
        """
import operator
d=[]
def f(x):
    operator.iadd(d,[x])
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "dunder setitem",
        """
d={}
def f(x):
    d.__setitem__(x,1)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "dunder iadd",
        """
d=[]
def f(x):
    d.__iadd__([x])
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "dict dunder",
        """
d={}
def f(x):
    dict.__setitem__(d,x,1)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "list unbound",
        """
d=[]
def f(x):
    list.append(d,x)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "getattr call",
        """
d=[]
def f(x):
    getattr(d,'append')(x)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "getattr var",
        """
d=[]
def f(x,m='append'):
    g=getattr(d,m)
    g(x)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "methodcaller",
        """
import operator
d=[]
g=operator.methodcaller('append',1)
def f(x):
    g(d)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "lambda stored",
        """
d=[]
table={'a':lambda x: d.append(x)}
def f(x):
    table['a'](x)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "lambda in list",
        """
d=[]
table=[lambda x: d.append(x), lambda x: x]
def f(x):
    for g in table: g(x)
    return len(d)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "recursion mut",
        """
d=[]
def f(n):
    if n==0: return len(d)
    d.append(n)
    return f(n-1)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "mutual rec mut",
        """
d=[]
def g(n):
    d.append(n)
    return f(n-1)
def f(n):
    if n<=0: return len(d)
    return g(n)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "rec param mut",
        """
d=[]
def f(n,acc):
    if n<=0: return len(acc)
    acc.append(n)
    return f(n-1,acc)
def h(n): return f(n,d)
""",
        "r=[h(x) for x in range(4)]",
        False,
    ),
    (
        "rec param mut fresh",
        """
def f(n,acc):
    if n<=0: return acc
    acc.append(n)
    return f(n-1,acc)
def h(n): return f(n,[])
""",
        "r=[h(x) for x in range(4)]",
        True,
    ),
    (
        "iter global",
        """
it=iter(range(10))
def f(x): return next(it)+x
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "iter global for",
        """
it=iter(range(10))
def f(x):
    for v in it: return v
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "iter in list",
        """
its=[iter(range(10))]
def f(x):
    for v in its[0]: return v
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "iter in attr",
        """
class A: pass
a=A(); a.it=iter(range(10))
def f(x): return next(a.it)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "gen global",
        """
g=(x for x in range(10))
def f(x): return sum(1 for _ in zip(range(2),g))
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "list of iter consumed",
        """
its=[iter([1,2])]*2
def f(x): return list(its[0])
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "file handle",
        """
import io
h=io.StringIO('a\\nb\\nc\\nd\\n')
def f(x): return h.readline()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "file handle in dict",
        """
import io
h={'f':io.StringIO('a\\nb\\nc\\nd\\n')}
def f(x): return h['f'].readline()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "file handle iter",
        """
import io
h={'f':io.StringIO('a\\nb\\nc\\nd\\n')}
def f(x):
    for l in h['f']: return l
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "item files",
        """
import io
xs=[io.StringIO('a\\nb\\n'),io.StringIO('c')]
""",
        "r=[x.read() for x in xs]; s=[x.tell() for x in xs]",
        False,
    ),
    (
        "item iters",
        "xs=[iter([1,2]),iter([3])]",
        "r=[list(x) for x in xs]; s=[list(x) for x in xs]",
        False,
    ),
    (
        "item same iter",
        "it=iter([1,2,3]); xs=[it,it,it]",
        "r=[next(x) for x in xs]",
        False,
    ),
    (
        "item mut method",
        """
class A:
    def __init__(s,v): s.v=v
    def a(s): s.b()
    def b(s): s.c()
    def c(s): s.v+=1
xs=[A(1),A(2)]
""",
        """
for x in xs:
    x.a()
""",
        False,
    ),
    (
        "item mut method ret",
        """
class A:
    def __init__(s,v): s.v=v
    def a(s): return s.b()
    def b(s):
        s.v+=1
        return s
xs=[A(1),A(2)]
""",
        "r=[x.a().v for x in xs]",
        False,
    ),
    (
        "item shared mut",
        """
class A:
    def __init__(s): s.L=[]
a=A(); xs=[a,a]
def f(x):
    x.L.append(1)
    return len(x.L)
""",
        "r=[f(x) for x in xs]",
        False,
    ),
    (
        "item list pop",
        """
xs=[[1,2],[3,4]]
def f(x): return x.pop()
""",
        "r=[f(x) for x in xs]",
        False,
    ),
    (
        "item dict items",
        """
xs=[{'a':[1]},{'a':[2]}]
def f(d):
    for v in d.values(): v.append(0)
    return len(d)
""",
        "r=[f(x) for x in xs]",
        False,
    ),
    (
        "item sort",
        """
xs=[[2,1],[4,3]]
def f(x):
    x.sort()
    return x[0]
""",
        "r=[f(x) for x in xs]",
        False,
    ),
    (
        "item sort copy",
        """
xs=[[2,1],[4,3]]
def f(x):
    x=list(x)
    x.sort()
    return x[0]
""",
        "r=[f(x) for x in xs]",
        False,
    ),
    (
        "item aug",
        """
xs=[[2,1],[4,3]]
def f(x):
    x+=[0]
    return len(x)
""",
        "r=[f(x) for x in xs]",
        False,
    ),
    (
        "item aug num",
        """
xs=[2,3]
def f(x):
    x+=1
    return x
""",
        "r=[f(x) for x in xs]",
        True,
    ),
    (
        "item aug np",
        """
import numpy as np
xs=[np.ones(2),np.ones(2)]
def f(x):
    x+=1
    return x.sum()
""",
        "r=[f(x) for x in xs]",
        False,
    ),
    (
        "np global aug",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    a=A
    a+=x
    return a.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np global param",
        """
import numpy as np
A=np.zeros(3)
def g(a,x): a[0]+=x
def f(x):
    g(A,x)
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np add at",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    np.add.at(A,[0,1],x)
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np put",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    np.put(A,[0,1],x)
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np out",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    np.add(A,x,out=A)
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np out pos",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    np.add(A,x,A)
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np copyto",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    np.copyto(A,A+x)
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np fill",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    A.fill(A[0]+x)
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np flat",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    A.flat[0]+=x
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np view T",
        """
import numpy as np
A=np.zeros((3,2))
def f(x):
    A.T[0]+=x
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np obj array",
        """
import numpy as np
A=np.array([[1],[2]],dtype=object); A=np.empty(2,object); A[0]=[]; A[1]=[]
def f(x):
    A[0].append(x)
    return len(A[0])
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np nditer",
        """
import numpy as np
A=np.zeros(3)
def f(x):
    for v in np.nditer(A,op_flags=['readwrite']): v[...]=v+x
    return A.sum()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np shuffle",
        """
import numpy as np, random
L=[1,2,3]
def f(x):
    random.shuffle(L)
    return L[0]
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np sort inpl",
        """
import numpy as np
A=np.array([3.,1,2])
def f(x):
    A.sort()
    return A[0]
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "memoryview",
        """
A=bytearray(3)
m=memoryview(A)
def f(x):
    m[0]+=1
    return A[0]
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "array mod",
        """
import array
A=array.array('i',[0])
def f(x):
    A[0]+=1
    return A[0]
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "counter update alias",
        """
from collections import Counter
C=Counter()
def g(c,x): c.update([x])
def f(x):
    g(C,x)
    return C[x]
""",
        "r=[f(x) for x in [1,1,2]]",
        False,
    ),
    (
        "ast change",
        """
import ast
T=ast.parse('a+b')
def f(x):
    T.body[0].value.left.id='z'+T.body[0].value.left.id
    return T.body[0].value.left.id
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "ast transform",
        """
import ast
T=ast.parse('a+b')
class V(ast.NodeTransformer):
    def visit_Name(self,n):
        n.id='z'+n.id
        return n
def f(x):
    V().visit(T)
    return ast.unparse(T)
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "re scanner",
        """
import re
S=re.compile('a').finditer('aaaa')
def f(x): return next(S).start()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "module global",
        """
import pathlib, importlib
code = 'count=0\\nlog=[]\\ndef f(x):\\n    global count\\n    count+=1\\n    log.append(x)\\n'
code += '    return count\\ndef g(x): return len(log)\\n'
pathlib.Path('hmod.py').write_text(code)
import hmod
""",
        "r=[hmod.f(x) for x in range(4)]; k=hmod.count",
        False,
    ),
    (
        "module global read",
        """
import pathlib, importlib
pathlib.Path('hmod2.py').write_text('log=[]\\ndef g(x): return len(log)+x\\n')
import hmod2
hmod2.log.append(1)
""",
        "r=[hmod2.g(x) for x in range(4)]",
        False,
    ),
    (
        "module attr set",
        """
import pathlib, importlib
pathlib.Path('hmod3.py').write_text('level=0\\ndef g(x): return level+x\\n')
import hmod3
hmod3.level=7
""",
        "r=[hmod3.g(x) for x in range(4)]",
        False,
    ),
    (
        "module attr set in",
        """
import pathlib, importlib
pathlib.Path('hmod4.py').write_text('level=0\\ndef g(x): return level+x\\n')
import hmod4
""",
        """
r=[]
for x in range(4):
    hmod4.level=x
    r.append(hmod4.g(x))
""",
        False,
    ),
    (
        "module attr aug",
        """
import types
cfg=types.SimpleNamespace(n=0)
def f(x):
    cfg.n+=x
    return cfg.n
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "lru",
        """
from functools import lru_cache
@lru_cache
def f(x): return x
""",
        "r=[f(x) for x in [1,1,2]]; k=f.cache_info()",
        False,
    ),
    (
        "cached property",
        """
from functools import cached_property
class A:
    @cached_property
    def v(s): return [1]
a=A()
""",
        "r=[a.v for x in range(3)]; k='v' in a.__dict__",
        False,
    ),
    (
        "cached property fresh",
        """
from functools import cached_property
class A:
    def __init__(s,x): s.x=x
    @cached_property
    def v(s): return [s.x]
""",
        "r=[A(x).v for x in range(3)]",
        True,
    ),
    (
        "cached property item",
        """
from functools import cached_property
class A:
    def __init__(s,x): s.x=x
    @cached_property
    def v(s): return [s.x]
xs=[A(1),A(2)]
""",
        "r=[x.v for x in xs]; k=[x.__dict__ for x in xs]",
        True,
    ),
    (
        "singledispatch",
        """
from functools import singledispatch
log=[]
@singledispatch
def f(x): return 0
@f.register
def _(x:int):
    log.append(x)
    return len(log)
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "singledispatch pure",
        """
from functools import singledispatch
@singledispatch
def f(x): return 0
@f.register
def _(x:int):
    return x
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "enum res",
        """
import enum
class E(enum.Enum):
    A=1
    B=2
""",
        "r=[E(1+x%2) for x in range(3)]; k=r[0] is E.A",
        True,
    ),
    (
        "nt res",
        """
from collections import namedtuple
P=namedtuple('P','a b')
""",
        "r=[P(x,[x]) for x in range(3)]",
        True,
    ),
    (
        "dc res",
        """
from dataclasses import dataclass
@dataclass(frozen=True)
class P:
    a:int
    b:list
""",
        "r=[P(x,[x]) for x in range(3)]",
        True,
    ),
    (
        "dc slots",
        """
from dataclasses import dataclass
@dataclass(slots=True)
class P:
    a:int
    b:list
""",
        "r=[P(x,[x]) for x in range(3)]",
        True,
    ),
    (
        "weakref set",
        """
import weakref
class A: pass
W=weakref.WeakSet()
def f(x):
    a=A(); W.add(a)
    return len(W)
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
]

# Identity, classes, transport, numpy and pandas.
IDENTITY: list[Row] = [
    (
        "dc slots frozen",
        """
from dataclasses import dataclass
@dataclass(slots=True,frozen=True)
class P:
    a:int
    b:list
""",
        "r=[P(x,[x]) for x in range(3)]",
        True,
    ),
    (
        "slots",
        """
class P:
    __slots__=('a','b')
    def __init__(s,a): s.a=a
""",
        "r=[P(x) for x in range(3)]",
        True,
    ),
    (
        "slots str inherit",
        """
class B:
    __slots__='q'
class P(B):
    __slots__=('a','__dict__')
    def __init__(s,a):
        s.a=a; s.q=1; s.z=3
""",
        "r=[P(x) for x in range(3)]",
        True,
    ),
    (
        "slots private",
        """
class P:
    __slots__=('__a',)
    def __init__(s,a): s.__a=a
    def g(s): return s.__a
""",
        "r=[P(x).g() for x in range(3)]; t=[P(x) for x in range(3)]",
        True,
    ),
    (
        "slots err",
        """
class P:
    __slots__=('a',)
def f(x):
    p=P()
    try: p.z=1
    except AttributeError: return 'no'
    return 'yes'
""",
        "r=[f(x) for x in range(3)]",
        True,
    ),
    (
        "slots item",
        """
class P:
    __slots__=('a',)
    def __init__(s,a): s.a=a
xs=[P(1),P(2)]
""",
        "r=[x.a for x in xs]; t=[x for x in xs]",
        True,
    ),
    (
        "getstate lossy",
        """
class A:
    def __init__(s,v): s.v=v; s.big=1
    def __getstate__(s): return {'v':s.v}
    def __setstate__(s,d): s.v=d['v']; s.big=None
xs=[A(1),A(2)]
""",
        "r=[x.big for x in xs]; t=[A(1).big for x in xs]; u=[A(3) for x in xs]",
        False,
    ),
    (
        "reduce lossy",
        """
class A:
    def __init__(s,v): s.v=v; s.n=0
    def __reduce__(s): return A,(s.v,)
a=A(1); a.n=5
""",
        "r=[a.n for x in range(3)]",
        False,
    ),
    (
        "setstate raises",
        """
class A:
    def __setstate__(s,d): raise ValueError('no')
""",
        "r=[A() for x in range(3)]",
        False,
    ),
    (
        "exc result",
        """
class E(Exception):
    def __init__(s,a,b):
        super().__init__(a); s.b=b
""",
        "r=[E(x,2) for x in range(3)]",
        False,
    ),
    (
        "exc raise",
        """
class E(Exception):
    def __init__(s,a,b):
        super().__init__(a); s.b=b
""",
        """
for x in range(4):
    if x==2: raise E(x,2)
""",
        True,
    ),
    (
        "init subclass",
        """
reg=[]
class B:
    def __init_subclass__(cls,**k): reg.append(cls.__name__)
class C(B): pass
c=C()
""",
        "r=[isinstance(c,B) for x in range(3)]; k=list(reg)",
        False,
    ),
    (
        "init subclass print",
        """
class B:
    def __init_subclass__(cls,**k): print('sub',cls.__name__)
class C(B): pass
c=C()
""",
        "r=[isinstance(c,B) for x in range(3)]; t=[C() for x in range(2)]",
        True,
    ),
    (
        "metaclass reg",
        """
reg={}
class M(type):
    def __new__(m,n,b,d):
        c=super().__new__(m,n,b,d)
        reg[n]=c
        return c
class A(metaclass=M):
    def f(s): return len(reg)
a=A()
""",
        "r=[a.f() for x in range(3)]; k=reg['A'] is A",
        False,
    ),
    (
        "registry read",
        """
class B:
    reg={}
    def __init_subclass__(cls,**k): B.reg[cls.__name__]=cls
class C(B):
    def go(s): return 'c'
class D(B):
    def go(s): return 'd'
""",
        """
r=[B.reg['C']().go() for x in range(3)]; k=list(B.reg); s=[type(B.reg['D']()) is D for x in range(2)]
""",
        False,
    ),
    (
        "exec def",
        """
L=[]
exec('def f(x):\\n    L.append(x)\\n    return len(L)')
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "exec def pure",
        """
exec('def f(x):\\n    return x*2')
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "lambda eval",
        """
L=[]
f=eval('lambda x: L.append(x) or len(L)')
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "abc cls",
        """
from abc import ABC,abstractmethod
class B(ABC):
    @abstractmethod
    def f(s): ...
class C(B):
    def f(s): return 1
""",
        "r=[C() for x in range(3)]; k=[isinstance(c,B) for c in r]",
        True,
    ),
    (
        "generic",
        """
from typing import Generic,TypeVar
T=TypeVar('T')
class C(Generic[T]):
    def __init__(s,v): s.v=v
""",
        "r=[C[int](x) for x in range(3)]; k=[o.__orig_class__ for o in r]",
        True,
    ),
    (
        "typeddict",
        """
from typing import TypedDict,NamedTuple
class D(TypedDict):
    a:int
class N(NamedTuple):
    a:int
    b:int=2
""",
        "r=[D(a=x) for x in range(3)]; s=[N(x) for x in range(3)]",
        True,
    ),
    (
        "enum auto",
        """
import enum
class E(enum.Flag):
    A=enum.auto(); B=enum.auto()
""",
        "r=[E.A|E.B if x else E.A for x in range(3)]; k=[e is E.A for e in r]",
        True,
    ),
    (
        "enum dict key",
        """
import enum
class E(enum.Enum):
    A=1
    B=2
d={E.A:1,E.B:2}
""",
        "r=[d[E(1+x%2)] for x in range(3)]; t=[{e:1} for e in E]",
        True,
    ),
    (
        "nested class",
        """
class O:
    class I:
        def __init__(s,v): s.v=v
""",
        "r=[O.I(x) for x in range(3)]; k=[type(o) is O.I for o in r]",
        True,
    ),
    (
        "local class",
        """
def mk():
    class Z:
        def __init__(s,v): s.v=v
    return Z
Z=mk()
""",
        "r=[Z(x) for x in range(3)]; k=[type(o) is Z for o in r]",
        True,
    ),
    (
        "subclass list",
        """
class L(list):
    pass
def f(x):
    l=L([x]); l.tag=x
    return l
""",
        "r=[f(x) for x in range(3)]",
        True,
    ),
    (
        "subclass dict",
        """
class L(dict):
    def __getattr__(s,n): return s[n]
def f(x):
    l=L(a=x)
    return l
""",
        "r=[f(x).a for x in range(3)]; s=[f(x) for x in range(3)]",
        True,
    ),
    (
        "subclass nd",
        """
import numpy as np
class A(np.ndarray):
    def __array_finalize__(s,o): s.tag=getattr(o,'tag',7)
def f(x):
    a=np.zeros(2).view(A); a.tag=x
    return a
""",
        "r=[f(x) for x in range(3)]; t=[a.tag for a in r]",
        False,
    ),
    (
        "subclass int",
        """
class I(int):
    def __add__(s,o): return I(int(s)+int(o)+1)
xs=[I(1),I(2)]
""",
        "r=[x+1 for x in xs]; t=sum(x for x in xs)",
        True,
    ),
    (
        "weakref attr",
        """
import weakref
class A: pass
a=A(); a.me=weakref.ref(a)
""",
        "r=[a.me() is a for x in range(3)]",
        True,
    ),
    (
        "cyc item",
        """
class N: pass
n=N(); n.me=n; xs=[n,n]
""",
        "r=[x.me is x for x in xs]; t=[x.me for x in xs]",
        True,
    ),
    (
        "tree parent",
        """
class N:
    def __init__(s,p=None): s.p=p; s.c=[]
root=N(); xs=[N(root) for _ in range(3)]; root.c=xs
""",
        "r=[x.p is root for x in xs]; t=[x.p for x in xs]; u=[root.c[0] is x for x in xs]",
        True,
    ),
    (
        "item is global",
        "g=[1]; xs=[g,[1],g]",
        "r=[x is g for x in xs]",
        True,
    ),
    (
        "item is item",
        "a=[1]; xs=[(a,a),(a,[1])]",
        "r=[p is q for p,q in xs]",
        True,
    ),
    (
        "ident across items",
        "a=[1]; xs=[a,a,[1]]",
        "r=[x is xs[0] for x in xs]",
        True,
    ),
    (
        "ident enumerate",
        "xs=[[1],[2]]",
        "r=[x is xs[i] for i,x in enumerate(xs)]",
        True,
    ),
    (
        "ident dict items",
        "d={'a':[1],'b':[2]}",
        "r=[v is d[k] for k,v in d.items()]; s=[v for v in d.values()]",
        True,
    ),
    (
        "ident none true",
        "xs=[None,True,...,NotImplemented]",
        "r=[x is None or x is True or x is ... or x is NotImplemented for x in xs]",
        True,
    ),
    (
        "ident sentinel",
        """
S=object()
xs=[S,1,S]
""",
        "r=[x is S for x in xs]; t=[x for x in xs]; k=t[0] is S",
        True,
    ),
    (
        "ident sentinel default",
        """
S=object()
def f(x,d=S): return d is S
""",
        "r=[f(x) for x in range(3)]",
        True,
    ),
    (
        "ident tuples",
        "t=(1,2); xs=[t,(1,2),t]",
        "r=[x is t for x in xs]; q=[x for x in xs]; k=[a is t for a in q]",
        True,
    ),
    (
        "ident func",
        """
def f(): pass
xs=[f,f]
""",
        "r=[x is f for x in xs]; t=[x for x in xs]; k=t[0] is f",
        True,
    ),
    (
        "ident cls",
        """
class A: pass
xs=[A,A]
""",
        "r=[x is A for x in xs]; t=[x for x in xs]; k=t[0] is A",
        True,
    ),
    (
        "ident method res",
        """
class A:
    def me(s): return s
a=A()
""",
        "r=[a.me() for x in range(3)]; k=[q is a for q in r]",
        True,
    ),
    (
        "res shared in iter",
        """
def f(x):
    l=[x]
    return l,l
""",
        "r=[f(x) for x in range(3)]; k=[a is b for a,b in r]",
        True,
    ),
    (
        "res fn",
        """
def mk(x):
    def g(): return x
    return g
""",
        "r=[mk(x) for x in range(3)]; k=[g() for g in r]",
        False,
    ),
    (
        "res lambda global",
        "n=1",
        "r=[(lambda: n) for x in range(3)]; n=5; k=[g() for g in r]",
        False,
    ),
    (
        "res gen",
        "def g(x): yield x",
        "r=[g(x) for x in range(3)]; k=[list(q) for q in r]",
        False,
    ),
    (
        "res map",
        "r0=1",
        "r=[map(str,[x]) for x in range(3)]; k=[list(q) for q in r]",
        True,
    ),
    (
        "res iter",
        "r0=1",
        "r=[iter([x]) for x in range(3)]; k=[list(q) for q in r]",
        True,
    ),
    (
        "res module",
        "import math",
        "r=[math for x in range(3)]; k=r[0] is math",
        True,
    ),
    (
        "res partial",
        """
from functools import partial
def f(a,b): return a+b
""",
        "r=[partial(f,x) for x in range(3)]; k=[g(1) for g in r]",
        True,
    ),
    (
        "res method",
        """
class A:
    def __init__(s,v): s.v=v
    def f(s): return s.v
""",
        "r=[A(x).f for x in range(3)]; k=[g() for g in r]",
        True,
    ),
    (
        "res bound item",
        """
class A:
    def __init__(s,v): s.v=v
    def f(s): return s.v
xs=[A(1),A(2)]
""",
        "r=[x.f for x in xs]; xs[0].v=9; k=[g() for g in r]",
        True,
    ),
    (
        "res view",
        """
import numpy as np
A=np.zeros((4,3))
""",
        "r=[A[i] for i in range(4)]; r[0][0]=5",
        True,
    ),
    (
        "res view big",
        """
import numpy as np
A=np.zeros((4,30000))
""",
        "r=[A[i,::2] for i in range(4)]; r[0][0]=5; k=A[0,0]",
        True,
    ),
    (
        "res view item",
        """
import numpy as np
A=np.zeros((4,3))
""",
        "r=[row[:2] for row in A]; r[0][0]=5",
        True,
    ),
    (
        "res same arr",
        """
import numpy as np
A=np.zeros((4,3))
""",
        "r=[A for i in range(4)]; r[0][0]=5",
        True,
    ),
    (
        "res T",
        """
import numpy as np
A=np.arange(12.).reshape(4,3)
""",
        "r=[A.T for i in range(4)]; r[0][0]=5; s=[A.reshape(-1) for i in range(3)]; s[0][1]=7",
        True,
    ),
    (
        "res flags",
        """
import numpy as np
A=np.arange(12.).reshape(4,3); A.flags.writeable=False
""",
        "r=[A[i] for i in range(4)]; k=[x.flags.writeable for x in r]",
        True,
    ),
    (
        "res local views",
        """
import numpy as np
def f(x):
    a=np.zeros(4)+x
    return a,a[:2]
""",
        "r=[f(x) for x in range(3)]; r[0][1][0]=9",
        True,
    ),
    (
        "res slice only",
        """
import numpy as np
def f(x):
    a=np.zeros(4)+x
    return a[:2]
""",
        "r=[f(x) for x in range(3)]; r[0][0]=9",
        True,
    ),
    (
        "res fortran",
        """
import numpy as np
def f(x): return np.asfortranarray(np.ones((3,2))*x)
""",
        "r=[f(x) for x in range(3)]; k=[a.flags.f_contiguous for a in r]",
        True,
    ),
    (
        "res struct",
        """
import numpy as np
def f(x): return np.array([(x,1.5)],dtype=[('a','i4'),('b','f8')])
""",
        "r=[f(x) for x in range(3)]; s=[a[0] for a in r]",
        True,
    ),
    (
        "res dt",
        "import numpy as np, datetime as dt",
        """
r=[np.datetime64('2020-01-01')+x for x in range(3)]
s=[dt.datetime(2020,1,1,tzinfo=dt.timezone.utc)+dt.timedelta(x) for x in range(3)]
""",
        True,
    ),
    (
        "res obj arr",
        """
import numpy as np
L=[1]
def f(x):
    a=np.empty(2,object); a[0]=L; a[1]=x
    return a
""",
        "r=[f(x) for x in range(3)]; k=r[0][0] is L",
        True,
    ),
    (
        "res masked",
        """
import numpy as np
def f(x): return np.ma.array([1,2],mask=[0,x%2])
""",
        "r=[f(x) for x in range(3)]",
        True,
    ),
    (
        "res matrix",
        """
import numpy as np
def f(x): return np.matrix([[x]])
""",
        "r=[f(x) for x in range(3)]",
        True,
    ),
    (
        "pd rows",
        """
import pandas as pd
df=pd.DataFrame({'a':[1,2,3],'b':list('xyz')})
""",
        """
out=[]
for i,row in df.iterrows():
    out.append((i,row['a'],row.b))
""",
        True,
    ),
    (
        "pd itertuples",
        """
import pandas as pd
df=pd.DataFrame({'a':[1,2,3],'b':list('xyz')})
""",
        """
out=[]
for t in df.itertuples():
    out.append(t.a)
""",
        True,
    ),
    (
        "pd groupby",
        """
import pandas as pd
df=pd.DataFrame({'a':[1,1,2],'b':[1.,2,3]})
""",
        """
out={}
for k,g in df.groupby('a'):
    out[k]=g.b.sum()
""",
        True,
    ),
    (
        "pd cols",
        """
import pandas as pd
df=pd.DataFrame({'a':[1,1,2],'b':[1.,2,3]})
""",
        "r={c: df[c].mean() for c in df.columns}; s=[df[c] for c in df]; s[0].iloc[0]=9",
        True,
    ),
    (
        "pd series iter",
        """
import pandas as pd
s=pd.Series([1,2,3])
""",
        "r=[x*2 for x in s]; t=[type(x).__name__ for x in s]",
        True,
    ),
    (
        "pd loc set",
        """
import pandas as pd
df=pd.DataFrame({'a':[1,1,2]})
def f(i):
    df.loc[i,'b']=i
    return len(df.columns)
""",
        "r=[f(i) for i in range(3)]",
        False,
    ),
    (
        "pd at set",
        """
import pandas as pd
df=pd.DataFrame({'a':[1,1,2]})
""",
        """
for i in range(3):
    df.at[i,'a']=i*10
""",
        True,
    ),
    (
        "pd iloc set",
        """
import pandas as pd
df=pd.DataFrame({'a':[1,1,2]})
""",
        """
for i in range(3):
    df.iloc[i,0]=i*10
""",
        True,
    ),
    (
        "pd col set",
        """
import pandas as pd
df=pd.DataFrame({'a':[1,1,2]})
""",
        """
for i in range(3):
    df[f'c{i}']=df.a*i
""",
        False,
    ),
    (
        "pd inplace",
        """
import pandas as pd
df=pd.DataFrame({'a':[3,1,2]})
def f(x):
    df.sort_values('a',inplace=True)
    return df.a.iloc[0]
""",
        "r=[f(i) for i in range(3)]",
        False,
    ),
    (
        "pd attr",
        """
import pandas as pd
df=pd.DataFrame({'a':[3,1,2]})
def f(x):
    df.attrs['n']=df.attrs.get('n',0)+1
    return df.attrs['n']
""",
        "r=[f(i) for i in range(3)]",
        False,
    ),
    (
        "pd values",
        """
import pandas as pd
df=pd.DataFrame({'a':[3.,1,2]})
def f(x):
    df['a'].values[0]+=1
    return df.a.iloc[0]
""",
        "r=[f(i) for i in range(3)]",
        False,
    ),
    (
        "pd apply side",
        """
import pandas as pd
df=pd.DataFrame({'a':[3.,1,2]})
L=[]
def g(v):
    L.append(v)
    return v
def f(x): return df.a.apply(g).sum()
""",
        "r=[f(i) for i in range(3)]",
        False,
    ),
    (
        "pd apply self",
        """
import pandas as pd
df=pd.DataFrame({'a':[3.,1,2]})
def g(row):
    row['z']=1
    return row.sum()
def f(x): return df.apply(g,axis=1).sum()
""",
        "r=[f(i) for i in range(3)]",
        False,
    ),
    (
        "pd query",
        """
import pandas as pd
df=pd.DataFrame({'a':[3.,1,2]})
lim=1.5
""",
        "r=[len(df.query('a>@lim')) for i in range(3)]",
        False,
    ),
    (
        "pd query loopvar",
        """
import pandas as pd
df=pd.DataFrame({'a':[3.,1,2]})
""",
        "r=[len(df.query('a>@i')) for i in range(3)]",
        True,
    ),
    (
        "pd query loopvar for",
        """
import pandas as pd
df=pd.DataFrame({'a':[3.,1,2]}); out=[]
""",
        """
for i in range(3):
    out.append(len(df.query('a>@i')))
""",
        True,
    ),
    (
        "pd eval",
        """
import pandas as pd
df=pd.DataFrame({'a':[3.,1,2]}); out=[]
""",
        """
for i in range(3):
    out.append(df.eval('a*@i').sum())
""",
        True,
    ),
    (
        "eval str",
        "x0=3",
        "r=[eval('x0+x') for x in range(3)]",
        False,
    ),
    (
        "str format locals",
        "out=[]; name='w'",
        """
for i in range(3):
    out.append('{name}{i}'.format(**{'name':name,'i':i}))
""",
        True,
    ),
    (
        "f eq",
        "out=[]",
        """
for i in range(3):
    out.append(f'{i=} {i!r:>4}')
""",
        True,
    ),
]

# Random numbers, process state, shadowed builtins.
PROCESS: list[Row] = [
    (
        "warn once",
        "import numpy as np; a=np.zeros(2)",
        "r=[np.log(a).sum() for x in range(6)]",
        True,
    ),
    (
        "warn body",
        "import warnings",
        """
for x in range(6):
    warnings.warn('hey')
""",
        True,
    ),
    (
        "warn helper",
        """
import warnings
def f(x):
    warnings.warn('hey %d'%(x%2))
    return x
""",
        "r=[f(x) for x in range(6)]",
        True,
    ),
    (
        "np div scalar",
        "import numpy as np",
        "r=[float(np.float64(1)/np.float64(x-x)) for x in range(6)]",
        True,
    ),
    (
        "scipy rvs",
        "import scipy.stats as st",
        "r=[st.norm.rvs() for x in range(4)]",
        False,
    ),
    (
        "scipy frozen rvs",
        """
import scipy.stats as st
d=st.norm(0,1)
""",
        "r=[d.rvs() for x in range(4)]",
        False,
    ),
    (
        "scipy rvs seed",
        "import scipy.stats as st",
        "r=[st.norm.rvs(random_state=x) for x in range(4)]",
        True,
    ),
    (
        "np rng global",
        """
import numpy as np
rng=np.random.default_rng(0)
""",
        "r=[rng.random() for x in range(4)]",
        False,
    ),
    (
        "np rng item",
        """
import numpy as np
rngs=[np.random.default_rng(i) for i in range(4)]
""",
        "r=[g.random() for g in rngs]; s=[g.random() for g in rngs]",
        False,
    ),
    (
        "np rng fresh",
        "import numpy as np",
        "r=[np.random.default_rng(x).random() for x in range(4)]",
        True,
    ),
    (
        "np rng spawn",
        """
import numpy as np
ss=np.random.SeedSequence(1)
""",
        """
r=[np.random.default_rng(s).random() for s in ss.spawn(3)]
k=ss.n_children_spawned
q=[ss.spawn(1)[0].entropy for x in range(3)]
k2=ss.n_children_spawned
""",
        True,
    ),
    (
        "np rng alias",
        """
import numpy as np
rng=np.random.default_rng(0)
class S:
    def __init__(s): s.rng=rng
    def go(s): return s.rng.normal()
""",
        "r=[S().go() for x in range(4)]",
        False,
    ),
    (
        "np rng default",
        """
import numpy as np
def f(x,rng=np.random.default_rng(3)): return rng.random()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np rng closure",
        """
import numpy as np
def mk():
    rng=np.random.default_rng(3)
    return lambda x: rng.random()
f=mk()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np rng dict",
        """
import numpy as np
D={'r':np.random.default_rng(3)}
def f(x): return D['r'].random()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "np seed in",
        """
import numpy as np
def f(x):
    np.random.seed(x)
    return np.random.rand()
""",
        "r=[f(x) for x in range(4)]; k=np.random.rand()",
        False,
    ),
    (
        "np perm",
        """
import numpy as np
from numpy.random import permutation as P
""",
        "r=[P(4).tolist() for x in range(4)]",
        False,
    ),
    (
        "random alias",
        """
import random
ri=random.randint
""",
        "r=[ri(0,9) for x in range(4)]",
        False,
    ),
    (
        "random inst",
        """
import random
R=random.Random(3)
""",
        "r=[R.random() for x in range(4)]",
        False,
    ),
    (
        "random fresh",
        "import random",
        "r=[random.Random(x).random() for x in range(4)]",
        True,
    ),
    (
        "random shuffle fresh",
        """
import random
def f(x):
    l=[1,2,3]
    random.shuffle(l)
    return l
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "pd sample",
        """
import pandas as pd
df=pd.DataFrame({'a':range(10)})
""",
        "r=[df.sample(2).a.tolist() for x in range(4)]",
        False,
    ),
    (
        "pd sample seed",
        """
import pandas as pd
df=pd.DataFrame({'a':range(10)})
""",
        "r=[df.sample(2,random_state=x).a.tolist() for x in range(4)]",
        True,
    ),
    (
        "chdir",
        "import os; os.mkdir('a'); os.mkdir('b')",
        """
for d in ['a','b']:
    os.chdir(d); os.chdir('..')
""",
        False,
    ),
    (
        "environ set",
        "import os",
        """
for d in ['a','b']:
    os.environ['MPX']=d
""",
        False,
    ),
    (
        "environ helper",
        """
import os
def f(d):
    os.environ['MPX']=os.environ.get('MPX','')+d
    return os.environ['MPX']
""",
        "r=[f(d) for d in 'abc']",
        False,
    ),
    (
        "environ read",
        "import os; os.environ['MPX']='5'",
        """
r=[os.environ['MPX']+str(x) for x in range(3)]
q=[os.getenv('MPX') for x in range(3)]
w=[os.path.basename(os.getcwd()) for x in range(3)]
""",
        True,
    ),
    (
        "decimal ctx",
        "import decimal; decimal.getcontext().prec=5",
        "r=[decimal.Decimal(1)/3 for x in range(3)]",
        True,
    ),
    (
        "decimal local",
        """
import decimal
def f(x):
    with decimal.localcontext() as c:
        c.prec=x+2
        return decimal.Decimal(1)/3
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "decimal set",
        """
import decimal
def f(x):
    decimal.getcontext().prec=x+2
    return decimal.Decimal(1)/3
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "errstate",
        "import numpy as np; np.seterr(all='raise')",
        """
r=[]
for x in range(3):
    try: r.append(np.float64(1)/np.float64(0))
    except FloatingPointError: r.append('fpe')
""",
        True,
    ),
    (
        "errstate with",
        "import numpy as np",
        """
r=[]
for x in range(3):
    with np.errstate(all='ignore'):
        v=np.float64(1)/np.float64(0)
    r.append(v)
""",
        True,
    ),
    (
        "printopts",
        "import numpy as np; np.set_printoptions(precision=2)",
        "for x in range(3): print(np.array([1/3]))",
        True,
    ),
    (
        "printopts ctx",
        "import numpy as np",
        """
for x in range(3):
    with np.printoptions(precision=x+1):
        print(np.array([1/3]))
""",
        True,
    ),
    (
        "recursion",
        """
import sys; sys.setrecursionlimit(400)
def f(n): return 0 if n==0 else 1+f(n-1)
""",
        """
r=[]
for x in [10,100,1000]:
    try: r.append(f(x))
    except RecursionError: r.append('deep')
""",
        True,
    ),
    (
        "int digits",
        "import sys",
        "r=[len(str(10**x)) for x in (10,100)]",
        True,
    ),
    (
        "syspath mod",
        """
import sys
sys.path.append('/nonexist')
""",
        "r=[sys.path[-1] for x in range(3)]",
        True,
    ),
    (
        "lib attr",
        """
import math
math.tau2=7
""",
        "r=[math.tau2 for x in range(3)]",
        True,
    ),
    (
        "lib patched",
        """
import json
old=json.dumps
json.dumps=lambda o: 'X'
""",
        """
r=[json.dumps(x) for x in range(3)]
json.dumps=old
""",
        False,
    ),
    (
        "lib patched data",
        """
import string
old=string.digits
string.digits='x'
""",
        """
r=[string.digits for x in range(3)]
string.digits=old
""",
        True,
    ),
    (
        "lib registry",
        "import copyreg, codecs",
        "r=[codecs.encode('a','rot13') for x in range(3)]",
        True,
    ),
    (
        "lib json enc",
        "import json",
        "r=[json.dumps({'a':x},sort_keys=True) for x in range(3)]",
        True,
    ),
    (
        "locale",
        "import locale",
        "r=[locale.localeconv()['decimal_point'] for x in range(3)]",
        True,
    ),
    (
        "main attr",
        """
import sys
lev=3
def f(x): return sys.modules['__main__'].lev+x
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "main import",
        """
lev=3
def f(x):
    import __main__
    return __main__.lev+x
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "globals helper",
        """
lev=3
def f(x): return globals()['lev']+x
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "frame helper",
        """
import sys
lev=3
def f(x): return sys._getframe(1).f_code.co_name
""",
        "r=[f(x) for x in range(3)]",
        False,
    ),
    (
        "dunder name",
        "",
        "r=[__name__ for x in range(3)]; q=[__doc__ for x in range(2)]",
        True,
    ),
    (
        "in out",
        "",
        "r=[len(In)>=0 for x in range(3)]; q=[_ for x in range(2)]",
        True,
    ),
    (
        "del name after",
        "xs=[1,2,3]",
        "r=[x for x in xs]; del xs",
        True,
    ),
    (
        "builtins shadow",
        "sum=lambda *a: 'shadow'",
        "r=sum(x for x in range(3)); q=[sum([1]) for x in range(2)]",
        True,
    ),
    (
        "builtins shadow list",
        "list=tuple",
        "r=list(x for x in range(3)); q=[list('ab') for x in range(2)]",
        True,
    ),
    (
        "range shadow",
        "range=lambda n: [n]",
        "r=[x for x in range(3)]",
        True,
    ),
    (
        "enumerate shadow",
        "enumerate=lambda xs: [(9,x) for x in xs]",
        "r=[(i,x) for i,x in enumerate('abc')]",
        False,
    ),
    (
        "len shadow",
        "len=lambda x: 42",
        "r=[len('abc') for x in 'ab']",
        True,
    ),
    (
        "print shadow",
        """
L=[]
def print(*a): L.append(a)
""",
        "for x in range(3): print(x)",
        False,
    ),
]

# Iterables, files, accumulators, control flow, IPython.
FLOW: list[Row] = [
    (
        "NameError shadow",
        "NameError=ValueError; out=[]",
        """
for x in range(3):
    y=x
    out.append(y)
""",
        False,
    ),
    (
        "zip uneq",
        "it=[1,2,3]; b=[1,2]",
        "r=[(x,y) for x,y in zip(it,b)]; s=[(x,y) for x,y in zip(range(5),'ab',[1])]",
        True,
    ),
    (
        "zip strict",
        "b=[1,2]",
        """
r=[]
for x,y in zip([1,2,3],b,strict=True):
    r.append(x)
""",
        True,
    ),
    (
        "zip iter left",
        "a=iter([1,2,3,4]); b=[1,2]",
        "r=[(x,y) for x,y in zip(a,b)]; k=list(a)",
        False,
    ),
    (
        "zip iter left2",
        "a=iter([1,2,3,4]); b=[1,2]",
        "r=[(x,y) for x,y in zip(b,a)]; k=list(a)",
        False,
    ),
    (
        "enum start",
        "xs=['a','b']",
        "r=[(i,x) for i,x in enumerate(xs,5)]; s=[(i,x) for i,x in enumerate(xs,start=2)]",
        True,
    ),
    (
        "reversed ",
        "xs=[1,2,3]",
        "r=[x for x in reversed(xs)]; s=[(i,x) for i,x in enumerate(reversed(xs))]",
        True,
    ),
    (
        "dictviews",
        "d={'a':1,'b':2}",
        "r=[k for k in d]; s=[v for v in d.values()]; t=[k+str(v) for k,v in d.items()]",
        True,
    ),
    (
        "dict mut during",
        "d={'a':1,'b':2}",
        """
for k in d:
    d[k]=d[k]+1
""",
        True,
    ),
    (
        "dict grow during",
        "d={'a':1,'b':2}; e=d",
        """
for k in d:
    e[k+'x']=1
""",
        False,
    ),
    (
        "dict grow during2",
        "d={'a':1,'b':2}; e={}",
        """
for k in d:
    e[k+'x']=1
""",
        True,
    ),
    (
        "list grow alias",
        "q=[1,2]; p=q",
        """
for x in q:
    if len(q)<5: p.append(x)
""",
        False,
    ),
    (
        "list grow alias2",
        "q=[1,2]; p=q; n=0",
        """
for x in q:
    if x<4: p.append(x+1)
""",
        False,
    ),
    (
        "set iter ints",
        "s={3,1,2,100,50}",
        "r=[x for x in s]",
        True,
    ),
    (
        "set iter strs",
        "s={'a','b','c'}",
        "r=[x for x in s]; t={x+'1' for x in s}",
        True,
    ),
    (
        "str iter",
        "",
        "r=[c for c in 'héllo']; s=[b for b in b'abc']",
        True,
    ),
    (
        "np2d",
        """
import numpy as np
A=np.arange(6).reshape(3,2)
""",
        "r=[row for row in A]; s=[a+b for a,b in A]; t=[type(x) for x in A[0]]",
        True,
    ),
    (
        "np0d",
        """
import numpy as np
A=np.array(5)
""",
        """
try:
    r=[x for x in A]
except TypeError as e:
    k=str(e)
""",
        False,
    ),
    (
        "np scalars",
        """
import numpy as np
A=np.arange(4,dtype=np.int8)*40
""",
        "r=[x+x for x in A]; s=[type(x).__name__ for x in A]; t=sum(x for x in A)",
        True,
    ),
    (
        "pd index",
        """
import pandas as pd
s=pd.Series([1,2],index=['a','b'])
""",
        "r=[i for i in s.index]; q=[(i,v) for i,v in s.items()]",
        True,
    ),
    (
        "deque it",
        """
from collections import deque
d=deque([1,2,3],maxlen=3)
""",
        "r=[x for x in d]",
        True,
    ),
    (
        "range big",
        "",
        "r=sum(x for x in range(0,1000,7)); s=[x for x in range(10,0,-3)]",
        True,
    ),
    (
        "gen iterable",
        """
def g():
    for i in range(4):
        print('pull',i)
        yield i
""",
        "r=[x for x in g()]",
        False,
    ),
    (
        "own iterable",
        """
class It:
    def __iter__(s):
        print('iter')
        return iter([1,2,3])
""",
        "r=[x for x in It()]",
        False,
    ),
    (
        "own seq",
        """
class Sq:
    def __getitem__(s,i):
        if i>3: raise IndexError
        return i*i
    def __len__(s): return 4
""",
        "r=[x for x in Sq()]; s=[x for x in reversed(Sq())]",
        False,
    ),
    (
        "list subclass",
        """
class L(list):
    def __iter__(s): return iter([9])
l=L([1,2])
""",
        "r=[x for x in l]",
        False,
    ),
    (
        "file iter",
        """
open('f.txt','w').write('a\\nb\\n')
""",
        "r=[l.strip() for l in open('f.txt')]",
        True,
    ),
    (
        "os listdir",
        """
import os
for n in 'abc': open(n,'w').write(n)
""",
        "r=[open(n).read() for n in sorted(os.listdir('.'))]",
        True,
    ),
    (
        "write files",
        "",
        """
for i in range(3):
    with open(f'o{i}.txt','w') as f:
        f.write(str(i))
""",
        True,
    ),
    (
        "path write",
        "from pathlib import Path",
        """
for i in range(3):
    Path(f'o{i}.txt').write_text(str(i))
""",
        True,
    ),
    (
        "np save",
        "import numpy as np",
        """
for i in range(3):
    np.save(f'o{i}.npy',np.arange(i))
""",
        True,
    ),
    (
        "json dump",
        "import json",
        """
for i in range(3):
    with open('x.json','w') as f: json.dump(i,f)
""",
        True,
    ),
    (
        "thread local",
        """
import threading
L=threading.local(); L.v=5
""",
        "r=[getattr(L,'v',None) for x in range(3)]",
        False,
    ),
    (
        "contextvar",
        """
import contextvars
V=contextvars.ContextVar('V',default=0); V.set(5)
""",
        "r=[V.get() for x in range(3)]",
        False,
    ),
    (
        "contextvar set",
        """
import contextvars
V=contextvars.ContextVar('V',default=0)
def f(x):
    V.set(V.get()+x)
    return V.get()
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "ipy result",
        "",
        "[x for x in range(3)]",
        True,
    ),
    (
        "ipy result semi",
        "",
        "[x for x in range(3)];",
        True,
    ),
    (
        "ipy dict result",
        "",
        "{x:1 for x in range(3)}",
        True,
    ),
    (
        "ipy sum result",
        "xs=[1]",
        "sum(x for x in range(3))",
        True,
    ),
    (
        "nested fn in loop",
        "out=[]",
        """
for x in range(3):
    def g(y): return y+x
    out.append(g(1))
""",
        False,
    ),
    (
        "lambda in loop called",
        "out=[]",
        """
for x in range(3):
    g=lambda y: y+x
    out.append(g(1))
""",
        True,
    ),
    (
        "lambda in loop kept",
        "out=[]",
        """
for x in range(3):
    out.append(lambda: x)
k=[g() for g in out]
""",
        False,
    ),
    (
        "import in loop",
        "out=[]",
        """
for x in range(3):
    import math
    out.append(math.sqrt(x))
""",
        False,
    ),
    (
        "import in helper",
        """
def f(x):
    import math
    return math.sqrt(x)
""",
        "r=[f(x) for x in range(3)]",
        True,
    ),
    (
        "class in loop",
        "out=[]",
        """
for x in range(3):
    class A: v=x
    out.append(A.v)
""",
        False,
    ),
    (
        "global stmt helper",
        """
n=0
def f(x):
    global n
    n+=x
    return n
""",
        "r=[f(x) for x in range(4)]",
        False,
    ),
    (
        "del in loop",
        "out=[]",
        """
for x in range(3):
    y=[x]
    out.append(y)
    del y
""",
        False,
    ),
    (
        "annassign",
        "out=[]",
        """
for x in range(3):
    y: int = x
    out.append(y)
""",
        False,
    ),
    (
        "chained assign",
        "out=[]",
        """
for x in range(3):
    a=b=[x]
    out.append(a)
b.append(1)
""",
        True,
    ),
    (
        "swap",
        "a=1;b=2",
        """
for x in range(3):
    a,b=b,a
""",
        False,
    ),
    (
        "fib",
        "a=0;b=1;out=[]",
        """
for x in range(6):
    out.append(a)
    a,b=b,a+b
""",
        False,
    ),
    (
        "running max",
        "m=0; out=[]",
        """
for x in [3,1,4]:
    m=max(m,x)
    out.append(m)
""",
        False,
    ),
    (
        "aug minus str",
        "s=''",
        """
for x in 'abc':
    s=x+s
""",
        False,
    ),
    (
        "aug own rhs",
        "t=1",
        """
for x in range(1,4):
    t=t*x+0
""",
        False,
    ),
    (
        "aug self read",
        "t=1",
        """
for x in range(1,4):
    t+=t*x
""",
        False,
    ),
    (
        "aug div",
        "t=1000.0",
        """
for x in [3,7,9]:
    t/=x
""",
        True,
    ),
    (
        "aug matmul",
        """
import numpy as np
M=np.eye(2)
""",
        """
for x in range(3):
    M=M@np.array([[1,x],[0,1.]])
""",
        True,
    ),
    (
        "aug matmul in",
        """
import numpy as np
M=np.eye(2); N=M
""",
        """
for x in range(3):
    M@=np.array([[1,x],[0,1.]])
""",
        True,
    ),
    (
        "aug pow shift",
        "t=3",
        """
for x in range(3):
    t<<=x
    t^=x
""",
        True,
    ),
    (
        "aug and set",
        "s={1,2,3,4}; t=s",
        """
for x in [{1,2,3},{2,3}]:
    s&=x
""",
        True,
    ),
    (
        "aug tuple",
        "t=()",
        """
for x in range(3):
    t+=(x,)
""",
        True,
    ),
    (
        "aug dict",
        "d={}",
        """
for x in range(3):
    d|={x:[x]}
""",
        True,
    ),
    (
        "aug none",
        "t=None",
        """
for x in range(3):
    t+=x
""",
        False,
    ),
    (
        "aug undefined",
        "",
        """
for x in range(3):
    tq+=x
""",
        False,
    ),
    (
        "append undefined",
        "",
        """
for x in range(3):
    oq.append(x)
""",
        False,
    ),
    (
        "setitem tuple err",
        "t=(1,2)",
        """
for x in range(2):
    t[x]=x
""",
        False,
    ),
    (
        "bool acc",
        "ok=True",
        """
for x in [1,0,1]:
    ok&=bool(x)
""",
        True,
    ),
    (
        "nested acc loops",
        "out=[]",
        """
for i in range(3):
    for j in range(i):
        if (i+j)%2: continue
        out.append((i,j))
    else:
        out.append('e')
""",
        True,
    ),
    (
        "nested acc while",
        "out=[]; t=0",
        """
for i in range(4):
    n=i
    while n:
        t+=n
        n-=1
        if n==1: break
    out.append(n)
""",
        True,
    ),
    (
        "try finally",
        "out=[]",
        """
for i in range(4):
    try:
        v=10//(i-5)
    finally:
        w=i
    out.append((v,w))
""",
        True,
    ),
    (
        "try else",
        "out=[]",
        """
for i in range(4):
    try:
        v=10//(i-2)
    except ZeroDivisionError:
        continue
    else:
        v+=1
    out.append(v)
""",
        True,
    ),
    (
        "try return temp",
        "out=[]; v='old'",
        """
for i in range(4):
    try:
        v=10//(i-2)
    except ZeroDivisionError:
        pass
    out.append(v)
""",
        False,
    ),
    (
        "effects in try",
        "out=[]; s=set()",
        """
for i in range(4):
    try:
        s.add([i] if i==2 else i)
    except TypeError:
        out.append('bad')
""",
        False,
    ),
    (
        "append in finally",
        "out=[]",
        """
for i in range(4):
    try:
        v=1/(i-2)
    except ZeroDivisionError:
        v=None
    finally:
        out.append(v)
""",
        False,
    ),
    (
        "break in try finally",
        "out=[]",
        """
for i in range(4):
    try:
        if i==2: break
        out.append(i)
    finally:
        out.append('f')
""",
        True,
    ),
    (
        "stopiter in comp",
        """
def f(x):
    if x==2: raise StopIteration
    return x
""",
        "r=[f(x) for x in range(4)]",
        True,
    ),
    (
        "stopiter in gen",
        """
def f(x):
    if x==2: raise StopIteration
    return x
""",
        "r=sum(f(x) for x in range(4))",
        True,
    ),
    (
        "stopiter in map",
        """
def f(x):
    if x==2: raise StopIteration
    return x
""",
        "r=list(map(f,range(4)))",
        True,
    ),
    (
        "generatorexit",
        """
def f(x):
    if x==2: raise GeneratorExit
    return x
""",
        "r=[f(x) for x in range(4)]",
        True,
    ),
    (
        "exc group",
        """
def f(x):
    if x==2: raise ExceptionGroup('g',[ValueError(1)])
    return x
""",
        "r=[f(x) for x in range(4)]",
        True,
    ),
    (
        "exc notes",
        """
def f(x):
    if x==2:
        e=ValueError('v'); e.add_note('mine'); raise e
    return x
""",
        "r=[f(x) for x in range(4)]",
        True,
    ),
    (
        "deep tb",
        """
def g(x): return 1/(2-x)
def f(x): return g(x)
""",
        """
r=[]
for x in range(4):
    y=f(x)
    r.append(y)
""",
        True,
    ),
    (
        "outer serial",
        "out=[]",
        """
tot=0
for a in range(3):
    row=[x*tot for x in range(4)]
    tot=tot*2+sum(row)+1
    out.append(row)
""",
        True,
    ),
    (
        "outer serial break",
        "out=[]",
        """
prev=0
for a in range(5):
    for x in range(4):
        if x+prev>6: break
        out.append((a,x))
    else:
        prev+=2
        continue
    prev+=1
""",
        True,
    ),
    (
        "if site",
        "flag=True",
        """
if flag:
    r=[x for x in range(4)]
else:
    r=None
while flag:
    s=[x for x in range(3)]
    flag=False
""",
        True,
    ),
    (
        "comp as arg",
        "def f(l,k=0): return len(l)+k",
        "v=f([x for x in range(4)],k=sum(y for y in range(3)))",
        True,
    ),
    (
        "comp in comp iter",
        "",
        "r=[y for y in [x*2 for x in range(4)]]",
        True,
    ),
    (
        "comp walrus",
        "",
        "r=[y for x in range(4) if (y:=x*2)>2]",
        False,
    ),
    (
        "fstring comp",
        "",
        "s=f'{[x for x in range(3)]} {sum(x for x in range(3))}'",
        True,
    ),
    (
        "default arg comp",
        "",
        """
def g(a=[x for x in range(3)]): return a
v=g()
""",
        False,
    ),
    (
        "lambda comp",
        "",
        """
g=lambda n: [x for x in range(n)]
v=g(3)
""",
        False,
    ),
    (
        "assert comp",
        "",
        "assert all([x<5 for x in range(3)]), 'no'",
        True,
    ),
    (
        "star unpack",
        "",
        """
a,*b=[x for x in range(4)]
print(*[x for x in range(3)])
""",
        True,
    ),
    (
        "aug comp",
        "l=[0]; m=l",
        "l+=[x for x in range(3)]",
        True,
    ),
    (
        "subscript comp",
        "d={}",
        """
d['k']=[x for x in range(3)]
d['s']=sum(x for x in d['k'])
""",
        True,
    ),
    (
        "attr comp",
        """
class N: pass
n=N()
""",
        "n.v=[x for x in range(3)]",
        True,
    ),
    (
        "return val unused",
        "",
        """
[print(x) for x in range(3)]
None
""",
        True,
    ),
    (
        "global dict read",
        "D={i:[i] for i in range(4)}",
        "r=[D[x] for x in range(4)]; r[0].append(1)",
        True,
    ),
    (
        "map two",
        "",
        "r=list(map(lambda a,b:a+b,[1,2],[3,4]))",
        True,
    ),
    (
        "map lambda",
        "k=3",
        "r=list(map(lambda a:a*k,[1,2])); s=sum(map(float,['1','2'])); t=set(map(abs,[-1,1]))",
        True,
    ),
    (
        "map method",
        "",
        """
r=list(map(str.upper,['a','b'])); s=sorted(map(len,['aa','b'])); t=dict(map(lambda x:(x,1),'ab'))
""",
        True,
    ),
    (
        "filter ",
        "",
        "r=list(filter(None,[0,1])); s=list(filter(lambda x:x>1,[1,2]))",
        True,
    ),
    (
        "starmap",
        "from itertools import starmap",
        "r=list(starmap(pow,[(2,3),(3,2)]))",
        True,
    ),
    (
        "product",
        "from itertools import product",
        "r=[a*b for a,b in product([1,2],[3,4])]",
        True,
    ),
    (
        "items unhash",
        "",
        "r={(): x for x in range(3)}; s={(x%2,):x for x in range(4)}",
        True,
    ),
    (
        "dict err",
        "",
        "r={[x]:1 for x in range(3)}",
        True,
    ),
    (
        "set err",
        "",
        "r={[x] for x in range(3)}",
        True,
    ),
    (
        "sum err",
        "",
        "r=sum(('a' if x==2 else x) for x in range(4))",
        True,
    ),
    (
        "max key err",
        "",
        "r=max((x for x in range(4)),key=lambda v:1/(v-2))",
        True,
    ),
    (
        "print sep",
        "",
        "for x in range(3): print(x,x,sep='-',end='|')",
        True,
    ),
    (
        "print err after",
        "",
        """
for x in range(3):
    print(x,end='')
    z=1/(1-x)
""",
        False,
    ),
    (
        "sys stdout buffer",
        "import sys",
        """
for x in range(3):
    sys.stdout.write('a'); sys.stdout.writelines(['b','c'])
""",
        False,
    ),
    (
        "display call",
        "from IPython.display import display",
        """
for x in range(3):
    display(x)
""",
        True,
    ),
    (
        "tqdm like",
        "",
        """
class bar:
    def __init__(s,it): s.it=it; s.n=0
    def __iter__(s):
        for x in s.it:
            yield x
            s.n+=1
b=bar(range(4))
r=[x for x in b]
""",
        False,
    ),
]

# What is told by identity, and what libraries keep in lists and dicts of their own.
TOLD: list[Row] = [
    (
        "id as a key",
        "ps=[object() for _ in range(4)]; names={id(p): n for n, p in enumerate(ps)}",
        """
r=[names.get(id(p)) for p in ps]
del names
""",
        False,
    ),
    ("id as a key function", "ps=[[3],[1],[2]]", "\nr=[sorted([p, ps[0]], key=id)[0] in ps for p in ps]\n", False),
    ("is of large numbers", "xs=[10**9, 10**9+1]; xs.append(xs[0])", "\nr=[x is xs[0] for x in xs]\n", False),
    (
        "is of texts in a helper",
        "def same(a, b): return a is b\nxs=['a b'.upper()]*2; first=xs[0]",
        "\nr=[same(x, first) for x in xs]\n",
        False,
    ),
    ("is of items", "ps=[[1],[2],[3]]", "\nr=[p is ps[1] for p in ps]\n", True),
    ("nan in a list in a dict", "nan=float('nan'); g={'a': [nan]}", "\nr=[x in g['a'] for x in (nan, 1.0)]\n", False),
    (
        "nan in equal rows",
        "nan=float('nan'); rows=[(1, nan)]*3; ref=rows[0]",
        "\nr=[row == ref for row in rows]\n",
        False,
    ),
    ("nan as a key", "nan=float('nan'); d={nan: 1}", "\nr=[d.get(x) for x in (nan, 2.0)]\n", False),
    ("nan as a key, looked up", "nan=float('nan'); d={nan: 1}", "\nr=[d[x] for x in (nan, nan)]\n", False),
    ("nan counted", "nan=float('nan'); xs=[1.0, nan]", "\nr=[xs.count(x) for x in xs]\n", False),
    ("nan compared with a number", "nan=float('nan'); xs=[1.0, nan]", "\nr=[x == 1 for x in xs]\n", True),
    (
        "nan in a default",
        "nan=float('nan')\ndef f(x, known=(nan,)): return x in known",
        "\nr=[f(x) for x in (nan, 1.0)]\n",
        False,
    ),
    (
        "replace of dataclasses",
        "import dataclasses\n@dataclasses.dataclass\nclass D:\n    a: int\nds=[D(1), D(2)]",
        "\nr=[dataclasses.replace(d, a=5) for d in ds]\n",
        True,
    ),
    (
        "registered with an abstract class",
        "import numbers\nclass Mine: pass\nnumbers.Number.register(Mine)\nts=[Mine(), 1]",
        "\nr=[isinstance(t, numbers.Number) for t in ts]\n",
        None,
    ),
    (
        "first day of the week",
        "import calendar; calendar.setfirstweekday(6)",
        "\nr=[calendar.monthcalendar(2024, m)[0] for m in (1, 2)]\ncalendar.setfirstweekday(0)\n",
        True,
    ),
    (
        "schemes of urls",
        "from urllib import parse; parse.uses_relative.append('own'); parse.uses_netloc.append('own')",
        "\nr=[parse.urljoin('own://h/a/b', t) for t in 'cd']\nparse.uses_relative.remove('own'); parse.uses_netloc.remove('own')\n",
        True,
    ),
    (
        "default decimal context",
        "import decimal; decimal.DefaultContext.prec = 4",
        "\nr=[decimal.Context().divide(decimal.Decimal(1), decimal.Decimal(d)) for d in (3, 7)]\ndecimal.DefaultContext.prec=28\n",
        True,
    ),
    ("hash method", "names={'a'.__hash__(): 1}", "\nr=[names.get(x.__hash__()) for x in 'ab']\ndel names\n", False),
    ("operator is_", "import operator; xs=[10**9]*2; first=xs[0]", "\nr=[operator.is_(x, first) for x in xs]\n", False),
    (
        "operator contains",
        "import operator; nan=float('nan'); xs=[nan]",
        "\nr=[operator.contains(xs, x) for x in xs]\n",
        False,
    ),
    ("nan in a set display", "nan=float('nan'); ps=[(nan, nan), (1, 2)]", "\nr=[len({a, b}) for a, b in ps]\n", False),
    ("nan in a set call", "nan=float('nan'); ps=[(nan, nan), (1, 2)]", "\nr=[len(set(p)) for p in ps]\n", False),
    (
        "nan counted by Counter",
        "from collections import Counter\nnan=float('nan'); ps=[[nan, nan], [1]]",
        "\nr=[len(Counter(p)) for p in ps]\n",
        False,
    ),
    ("nan as a key that is set", "nan=float('nan'); d={}; xs=[nan, nan, 1.0]", "\nfor x in xs:\n    d[x]=1\n", False),
    (
        "nan added",
        "nan=float('nan'); s=set(); xs=[nan, nan, 1.0]",
        "\nfor x in xs:\n    s.add(x)\nn=len(s)\ndel s\n",
        False,
    ),
    (
        "nan in a set comprehension",
        "nan=float('nan'); xs=[nan, nan, 1.0]",
        "\ns={x for x in xs}\nn=len(s)\ndel s\n",
        False,
    ),
    ("nan in sorted tuples", "nan=float('nan'); ts=[[(nan, 2), (nan, 1)]]*2", "\nr=[sorted(t) for t in ts]\n", False),
    (
        "a dict of a library changed",
        "import html.entities as he; he.name2codepoint['own']=7",
        "\nr=[he.name2codepoint.get('own', 0)+x for x in range(2)]\ndel he.name2codepoint['own']\n",
        False,
    ),
    (
        "a list of a library changed",
        "import keyword; keyword.kwlist.append('own')",
        "\nr=[x in keyword.kwlist for x in ('own', 'if')]\nkeyword.kwlist.remove('own')\n",
        False,
    ),
    (
        "a dict of a library",
        "import html.entities as he",
        "\nr=[he.name2codepoint.get(x, 0) for x in ('amp', 'lt')]\n",
        True,
    ),
]

# What `fuzz` found.
FUZZED: list[Row] = [
    (
        "a dict grows under the loop over its values",
        "table = {'a': 1, 'b': 2}; found = table",
        """
for i in table.values():
    u = [i]
    found[1] = u
""",
        False,
    ),
    (
        "a class inside a class keeps its whole name",
        "import dataclasses\nclass Outer:\n    @dataclasses.dataclass\n    class Point:\n        x: int\nps=[Outer.Point(1), Outer.Point(2)]",
        "\nr=[(repr(p), type(p).__qualname__) for p in ps]\n",
        True,
    ),
    (
        "an error of the iterable has the line of the loop",
        "r = 1.5",
        """
for x in r:
    a = 1
    b = 2
""",
        False,
    ),
]

CELLS: list[Row] = [*NAMES, *STATE, *IDENTITY, *PROCESS, *FLOW, *TOLD, *FUZZED]

"""`multiprocessing` beside the notebook: processes, and what they share. For functions and classes of the notebook."""

from multiprocess.process import active_children as active_children
from multiprocess.process import current_process as current_process
from multiprocess.process import parent_process as parent_process

from mpnb.sharing.contexts import Array as Array
from mpnb.sharing.contexts import Barrier as Barrier
from mpnb.sharing.contexts import BoundedSemaphore as BoundedSemaphore
from mpnb.sharing.contexts import Condition as Condition
from mpnb.sharing.contexts import Context as Context
from mpnb.sharing.contexts import Event as Event
from mpnb.sharing.contexts import JoinableQueue as JoinableQueue
from mpnb.sharing.contexts import Lock as Lock
from mpnb.sharing.contexts import Manager as Manager
from mpnb.sharing.contexts import Pipe as Pipe
from mpnb.sharing.contexts import Process as Process
from mpnb.sharing.contexts import Queue as Queue
from mpnb.sharing.contexts import RawArray as RawArray
from mpnb.sharing.contexts import RawValue as RawValue
from mpnb.sharing.contexts import RLock as RLock
from mpnb.sharing.contexts import Semaphore as Semaphore
from mpnb.sharing.contexts import SimpleQueue as SimpleQueue
from mpnb.sharing.contexts import Value as Value
from mpnb.sharing.contexts import get_context as get_context

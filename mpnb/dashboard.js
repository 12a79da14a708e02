// The live panel, drawn. Messages come in, pixels go out; the only thing sent back is {kind: "stop"}.
// It draws when a message has come, five times a second, and never in between: the cores are the user's.
// @ts-check

/**
 * A message of `dashboard.py`. Times are in tenths of milliseconds.
 * @typedef {object} Message
 * @property {"tick" | "whole"} kind
 * @property {number} number - of the message; one more than the last, else something was missed
 * @property {string[]} kinds
 * @property {string} label
 * @property {string} status
 * @property {number} now
 * @property {number} workers
 * @property {number} done
 * @property {number | null} total
 * @property {number | null} rate
 * @property {number | null} eta
 * @property {number | null} speedup
 * @property {number} ideal - what the speedup could be at best
 * @property {boolean} measured
 * @property {number[]} cores - user and system percent of each core, flat
 * @property {number[]} memory - used and total, in GB
 * @property {number[]} running - per lane since when it is at work, -1 where it is not
 * @property {number[]} kernel - spans of the kernel itself, flat
 * @property {[number, number, number[]][]} lanes - lane, first span that is new, spans flat
 * @property {[number, number[]]} curve - first point that is new, points flat
 */

/**
 * What is known of the run, shared by all views of it.
 * @typedef {object} State
 * @property {Message | null} last
 * @property {number[][]} lanes - flat spans, SPAN numbers each
 * @property {number[]} curve
 * @property {boolean} gap - a message was missed; the next snapshot mends it
 * @property {boolean} stopping
 * @property {string} note
 * @property {number} domain - time at the right edge, eased
 * @property {string} html - the static view, once the run is over
 */

const SPAN = 6; // start, length, kind, first, count, busy percent
const ACK_MS = 700; // then the kernel is interrupted instead

/** @param {State} state @param {Message} message */
function take(state, message) {
  const whole = message.kind === "whole";
  if (!whole && state.last && message.number !== state.last.number + 1) state.gap = true;
  if (whole) {
    state.lanes = [];
    state.curve = [];
    state.gap = false;
  }
  for (const [lane, first, spans] of message.lanes) {
    const have = (state.lanes[lane] ??= []);
    have.length = Math.min(have.length, first * SPAN);
    for (const number of spans) have.push(number);
  }
  const [first, points] = message.curve;
  state.curve.length = Math.min(state.curve.length, first * 2);
  for (const number of points) state.curve.push(number);
  state.last = message;
  // The right edge is where the run is expected to end; it moves gently, because expectations jump.
  const now = message.now;
  const goal = message.eta === null ? now / 0.8 : Math.max(now * 1.01, now + message.eta * 1e4);
  state.domain = Math.max(now * 1.005, state.domain && !whole ? state.domain + 0.25 * (goal - state.domain) : goal, 1000);
}

/** @param {number} tenths @returns {string} */
function duration(tenths) {
  const s = tenths / 1e4;
  if (s < 0.00095) return `${(s * 1e3).toFixed(1)} ms`;
  if (s < 0.95) return `${(s * 1e3).toFixed(0)} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 59.5) return `${s.toFixed(0)} s`;
  if (s < 3570) return `${Math.floor(Math.round(s) / 60)} min ${Math.round(s) % 60} s`;
  return `${Math.floor(Math.round(s / 60) / 60)} h ${Math.round(s / 60) % 60} min`;
}

/** @param {number} rate @returns {string} */
function perSecond(rate) {
  const digits = rate >= 100 ? 0 : rate >= 10 ? 1 : 2;
  return `${rate.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits })}/s`;
}

/** A canvas as sharp as the screen, cleared. @param {HTMLCanvasElement} canvas */
function begin(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** Marks of a time axis: about `count` round numbers below `end`. @param {number} end @param {number} count */
function marks(end, count) {
  const raw = end / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? raw;
  const out = [];
  for (let at = 0; at < end * 0.97; at += step) out.push(at);
  return out;
}

/**
 * @param {CanvasRenderingContext2D} pen @param {number} left @param {number} width @param {number} y
 * @param {number} domain @param {string} colour
 */
function axis(pen, left, width, y, domain, colour) {
  pen.fillStyle = colour;
  pen.textBaseline = "top";
  for (const at of marks(domain, Math.max(2, width / 75))) {
    const x = left + (at / domain) * width;
    pen.textAlign = at === 0 ? "left" : "center";
    const seconds = at / 1e4;
    const text = at === 0 ? "0" : domain < 9500 ? `${+(seconds * 1e3).toPrecision(3)} ms` : `${+seconds.toPrecision(3)} s`;
    if (x + pen.measureText(text).width / 2 <= left + width + 4) pen.fillText(text, x, y);
  }
}

/** @typedef {Record<"task" | "data" | "check" | "failed" | "core" | "coreSystem" | "ink" | "soft" | "track" | "ground" | "font", string>} Colours */

/** One bar a core: user time, system time on top of it. @param {HTMLCanvasElement} canvas @param {Message} m @param {Colours} c */
function drawCores(canvas, m, c) {
  const { pen, width, height } = begin(canvas);
  const count = Math.max(1, m.cores.length / 2);
  const rows = Math.ceil(count / 32);
  const perRow = Math.ceil(count / rows);
  const labels = rows === 1 && count <= 12;
  const rowGap = 5;
  const full = (height - (labels ? 16 : 3) - rowGap * (rows - 1)) / rows;
  const pitch = Math.min(width / perRow, 46);
  const gap = pitch > 14 ? 5 : pitch > 6 ? 2 : pitch > 3 ? 1 : 0;
  const bar = pitch - gap;
  const left = (width - pitch * perRow + gap) / 2;
  const round = Math.min(3, bar / 3);
  pen.font = c.font;
  for (let n = 0; n < count; n++) {
    const x = left + (n % perRow) * pitch;
    const y = Math.floor(n / perRow) * (full + rowGap);
    const user = Math.min(1, (m.cores[2 * n] ?? 0) / 100) * full;
    const system = Math.min(full - user, ((m.cores[2 * n + 1] ?? 0) / 100) * full);
    pen.save();
    pen.beginPath();
    pen.roundRect(x, y, bar, full, round);
    pen.clip();
    pen.fillStyle = c.track;
    pen.fillRect(x, y, bar, full);
    pen.fillStyle = c.coreSystem;
    pen.fillRect(x, y + full - user - system, bar, system);
    pen.fillStyle = c.core;
    pen.fillRect(x, y + full - user, bar, user);
    pen.restore();
    if (labels) {
      pen.fillStyle = c.soft;
      pen.textAlign = "center";
      pen.textBaseline = "top";
      pen.fillText(String(n), x + bar / 2, height - 12);
    }
  }
}

/** Where the lanes lie on their canvas. @param {number} width @param {number} height @param {number} count */
function laneGrid(width, height, count) {
  const kernel = 9;
  const pitch = Math.min(62, (height - 16 - kernel) / count);
  const gap = pitch >= 14 ? 4 : pitch >= 5 ? 1 : pitch >= 2.5 ? 0.5 : 0;
  const left = pitch >= 12 ? 16 : 0;
  return { kernel, pitch, gap, left, span: width - left, bar: pitch - gap };
}

/** One lane a worker, on one clock. @param {HTMLCanvasElement} canvas @param {State} state @param {Message} m @param {Colours} c */
function drawLanes(canvas, state, m, c) {
  const { pen, width, height } = begin(canvas);
  const count = m.workers;
  const grid = laneGrid(width, height, count);
  const scale = grid.span / state.domain;
  const colours = [c.task, c.data, c.check, c.data, c.failed];
  pen.font = c.font;
  for (let i = 0; i < m.kernel.length; i += SPAN) {
    pen.fillStyle = c.core;
    pen.fillRect(grid.left + m.kernel[i] * scale, 0, Math.max(0.7, m.kernel[i + 1] * scale - 0.7), 5);
  }
  for (let n = 0; n < count; n++) {
    const y = grid.kernel + n * grid.pitch;
    pen.fillStyle = c.track;
    pen.fillRect(grid.left, y, grid.span, grid.bar);
    if (grid.left) {
      pen.fillStyle = c.soft;
      pen.textAlign = "left";
      pen.textBaseline = "middle";
      pen.fillText(String(n + 1), 0, y + grid.bar / 2 + 0.5);
    }
    const spans = state.lanes[n] ?? [];
    let edge = 0;
    for (let i = 0; i < spans.length; i += SPAN) {
      const x = grid.left + spans[i] * scale;
      const long = spans[i + 1] * scale;
      edge = spans[i] + spans[i + 1];
      pen.globalAlpha = spans[i + 2] === 0 ? 0.35 + 0.0065 * spans[i + 5] : spans[i + 2] === 4 ? 1 : 0.85;
      if (long < 0.5) pen.globalAlpha *= long / 0.5; // thinner than can be drawn: fainter
      pen.fillStyle = colours[spans[i + 2]];
      pen.fillRect(x, y, Math.max(0.5, long), grid.bar);
      if (long > 3) {
        pen.globalAlpha = 0.6; // a border, so that tasks can be told apart
        pen.fillStyle = c.ground;
        pen.fillRect(x + long - 0.7, y, 0.7, grid.bar);
      }
    }
    pen.globalAlpha = 1;
    const since = m.running[n] ?? -1;
    if (since >= 0 && m.now > since) {
      const from = Math.max(since, edge);
      pen.globalAlpha = 0.42; // under way
      pen.fillStyle = c.task;
      pen.fillRect(grid.left + from * scale, y, Math.max(0, (m.now - from) * scale), grid.bar);
      pen.globalAlpha = 1;
    }
  }
  const now = grid.left + m.now * scale;
  pen.fillStyle = c.ink;
  pen.globalAlpha = 0.5;
  pen.fillRect(now, grid.kernel - 3, 1, grid.pitch * count - grid.gap + 6);
  pen.globalAlpha = 1;
  axis(pen, grid.left, grid.span, height - 12, state.domain, c.soft);
}

/** The speedup so far. @param {HTMLCanvasElement} canvas @param {State} state @param {Message} m @param {Colours} c */
function drawCurve(canvas, state, m, c) {
  const { pen, width, height } = begin(canvas);
  const bottom = height - 17;
  const points = state.curve;
  let top = m.ideal;
  for (let i = 1; i < points.length; i += 2) top = Math.max(top, points[i]);
  top *= 1.16;
  const x = (/** @type {number} */ t) => (t / state.domain) * (width - 5);
  const y = (/** @type {number} */ value) => bottom - (Math.max(0, value) / top) * (bottom - 2);
  pen.font = c.font;
  pen.lineWidth = 1;
  pen.strokeStyle = c.soft;
  pen.fillStyle = c.soft;
  pen.textAlign = "right";
  pen.textBaseline = "bottom";
  pen.setLineDash([5, 4]);
  pen.beginPath();
  pen.moveTo(0, y(m.ideal));
  pen.lineTo(width, y(m.ideal));
  pen.stroke();
  pen.setLineDash([]);
  pen.fillText(`ideal ${m.ideal}×`, width, y(m.ideal) - 1);
  pen.globalAlpha = 0.35;
  pen.beginPath();
  pen.moveTo(0, bottom + 0.5);
  pen.lineTo(width, bottom + 0.5);
  pen.moveTo(0, y(1));
  pen.lineTo(width, y(1));
  pen.stroke();
  pen.globalAlpha = 1;
  if (y(1) - y(m.ideal) > 30 && bottom - y(1) > 4) pen.fillText("serial 1×", width, y(1) - 1);
  axis(pen, 0, width - 5, height - 12, state.domain, c.soft);
  if (points.length < 2) return;
  pen.beginPath();
  for (let i = 0; i < points.length; i += 2) pen.lineTo(x(points[i]), y(points[i + 1]));
  const end = points.length - 2;
  pen.strokeStyle = c.task;
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.stroke();
  pen.lineTo(x(points[end]), bottom);
  pen.lineTo(x(points[0]), bottom);
  pen.closePath();
  pen.globalAlpha = 0.16;
  pen.fillStyle = c.task;
  pen.fill();
  pen.globalAlpha = 1;
  pen.beginPath();
  pen.arc(x(points[end]), y(points[end + 1]), 3.5, 0, 7);
  pen.fill();
  pen.strokeStyle = c.ground;
  pen.lineWidth = 1.5;
  pen.stroke();
}

/** @param {string} tag @param {string} kind @param {string} [text] */
function make(tag, kind, text = "") {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  node.textContent = text;
  return node;
}

/** @param {string} name @param {string} kind @param {HTMLElement} more */
function part(name, kind, more) {
  const node = make("div", `mpnb-part ${kind}`);
  const title = make("div", "mpnb-title");
  const words = make("span", "", name);
  title.append(words, more);
  const plot = make("div", "mpnb-plot");
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", ""));
  canvas.setAttribute("role", "img");
  plot.append(canvas);
  node.append(title, plot);
  return { node, words, plot, canvas };
}

export default () => {
  /** @type {State} */
  const state = { last: null, lanes: [], curve: [], gap: false, stopping: false, note: "", domain: 0, html: "" };
  /** @type {Set<() => void>} */
  const views = new Set();
  const redraw = () => views.forEach((draw) => draw());
  let acknowledged = false;

  /** Ask the run to stop; where nobody hears it, interrupt the kernel. @param {any} model */
  function stop(model) {
    state.stopping = true;
    acknowledged = false;
    model.send({ kind: "stop" });
    redraw();
    setTimeout(() => {
      if (acknowledged) return;
      const kernel = model.widget_manager?.kernel;
      if (kernel?.interrupt) kernel.interrupt();
      else {
        state.note = "This front end holds the request back until the cell ends: use its own interrupt button.";
        redraw();
      }
    }, ACK_MS);
  }

  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      const snapshot = () => {
        const message = model.get("snapshot");
        if (message?.kind === "static") {
          state.html = message.html; // seen only where the swap of the display was missed
          redraw();
        } else if (message?.kind && (!state.last || state.gap)) {
          take(state, message);
          redraw();
        }
      };
      /** @param {any} message */
      const news = (message) => {
        if (message.kind === "ack") acknowledged = true;
        else if (message.kind === "tick") take(state, message);
        redraw();
      };
      snapshot();
      model.on("change:snapshot", snapshot);
      model.on("msg:custom", news);
      return () => {
        model.off("change:snapshot", snapshot);
        model.off("msg:custom", news);
      };
    },

    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const root = make("div", "mpnb-panel");
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", "parallel run");
      const card = make("div", "mpnb-card");
      const head = make("div", "mpnb-head");
      const name = make("div", "mpnb-name");
      const dot = make("span", "mpnb-dot");
      const label = make("span", "");
      name.append(dot, label);
      const bar = make("div", "mpnb-bar");
      bar.setAttribute("role", "progressbar");
      bar.setAttribute("aria-label", "progress");
      const fill = make("div", "");
      bar.append(fill);
      const counts = make("div", "mpnb-count");
      const button = /** @type {HTMLButtonElement} */ (make("button", "mpnb-stop", "Stop"));
      button.type = "button";
      button.title = "Stop the run; what has finished is kept";
      head.append(name, bar, counts, button);
      const note = make("div", "mpnb-note");
      note.hidden = true;

      const busy = make("span", "mpnb-middle");
      const cores = part("cores", "mpnb-cores", busy);
      const legend = make("span", "mpnb-legend");
      const lanes = part("workers", "mpnb-lanes", legend);
      const big = make("span", "mpnb-big");
      const curve = part("speedup", "mpnb-curve", big);
      const tip = make("div", "mpnb-tip");
      lanes.plot.append(tip);
      const body = make("div", "mpnb-body");
      body.append(cores.node, lanes.node, curve.node);
      const spoken = make("div", "mpnb-spoken");
      spoken.setAttribute("aria-live", "polite");
      card.append(head, note, body, spoken);
      root.append(card);
      el.append(root);

      /** @type {Colours | null} */
      let colours = null;
      const readColours = () => {
        const style = getComputedStyle(root);
        const get = (/** @type {string} */ key) => style.getPropertyValue(`--mpnb-${key}`).trim();
        colours = {
          task: get("task"),
          data: get("data"),
          check: get("check"),
          failed: get("failed"),
          core: get("core"),
          coreSystem: get("core-system"),
          ink: get("ink"),
          soft: get("soft"),
          track: get("track"),
          ground: get("ground"),
          font: `10.5px ${style.fontFamily}`,
        };
        legend.replaceChildren();
        for (const [word, colour] of [
          ["tasks", colours.task],
          ["sending data", colours.data],
          ["failed", colours.failed],
        ]) {
          const patch = make("i", "");
          patch.style.background = colour;
          legend.append(patch, word);
        }
      };

      let spokenAt = 0;
      const draw = () => {
        if (state.html) {
          root.innerHTML = state.html;
          return;
        }
        const m = state.last;
        if (!m || !root.isConnected) return;
        if (!colours) readColours();
        const c = /** @type {Colours} */ (colours);
        label.textContent = m.label;
        label.title = m.label;
        dot.dataset.status = state.stopping ? "stopping" : m.status;
        const share = m.total ? Math.min(1, m.done / m.total) : m.total === null ? 1 : 0;
        fill.style.width = `${(100 * share).toFixed(2)}%`;
        bar.toggleAttribute("data-unknown", m.total === null);
        if (m.total !== null) bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
        const number = make("b", "", m.done.toLocaleString("en"));
        const parts = [m.total === null ? "" : ` / ${m.total.toLocaleString("en")}`];
        if (m.rate) parts.push(` · ${perSecond(m.rate)}`);
        if (m.eta !== null) parts.push(` · ${m.eta < 0.95 ? "under 1 s" : duration(m.eta * 1e4)} left`);
        counts.replaceChildren(number, parts.join(""));
        button.disabled = state.stopping;
        button.textContent = state.stopping ? "Stopping" : "Stop";
        note.hidden = !state.note;
        note.textContent = state.note;

        const count = m.cores.length / 2;
        const load = m.cores.reduce((sum, each) => sum + each, 0) / Math.max(1, count);
        cores.words.textContent = count === 1 ? "1 core" : `${count} cores`;
        busy.textContent = `${load.toFixed(0)} %`;
        busy.title = `memory: ${m.memory[0]} of ${m.memory[1]} GB in use`;
        lanes.words.textContent = m.workers === 1 ? "1 worker" : `${m.workers} workers`;
        big.textContent = m.speedup === null ? "" : `${m.measured ? "" : "≈"}${m.speedup.toFixed(m.speedup < 99.95 ? 1 : 0)}×`;
        cores.canvas.setAttribute("aria-label", `load of ${count} cores, ${load.toFixed(0)} percent on average`);
        lanes.canvas.setAttribute("aria-label", `what each of ${m.workers} workers does, over time`);
        curve.canvas.setAttribute("aria-label", `speedup so far ${big.textContent} of ideally ${m.ideal}`);
        drawCores(cores.canvas, m, c);
        drawLanes(lanes.canvas, state, m, c);
        drawCurve(curve.canvas, state, m, c);
        if (Date.now() - spokenAt > 10_000) {
          spokenAt = Date.now();
          spoken.textContent = `${m.label}: ${counts.textContent}`;
        }
      };

      /** @param {MouseEvent} event */
      const hover = (event) => {
        const m = state.last;
        const box = lanes.canvas.getBoundingClientRect();
        const grid = m && laneGrid(box.width, box.height, m.workers);
        const lane = grid ? Math.floor((event.clientY - box.top - grid.kernel) / grid.pitch) : -1;
        const spans = state.lanes[lane];
        let text = "";
        if (m && grid && spans) {
          const at = ((event.clientX - box.left - grid.left) / grid.span) * state.domain;
          for (let i = 0; i < spans.length; i += SPAN) {
            const [start, long, kind, first, many] = spans.slice(i, i + SPAN);
            if (at < start || at > start + long) continue;
            const which = many > 1 ? `${many.toLocaleString("en")} iterations` : first < 0 ? "" : `iteration ${first}`;
            const what = kind === 0 ? which : [m.kinds[kind], which].filter(Boolean).join(": ");
            text = `${what} · ${duration(long)} · worker ${lane + 1}`;
          }
        }
        tip.style.visibility = text ? "visible" : "hidden";
        if (!text) return;
        tip.textContent = text;
        tip.style.left = `${Math.max(0, Math.min(box.width - tip.offsetWidth, event.clientX - box.left + 10))}px`;
        tip.style.top = `${Math.max(0, event.clientY - box.top - 30)}px`;
      };
      const leave = () => (tip.style.visibility = "hidden");
      const click = () => stop(model);

      const repaint = () => {
        colours = null;
        draw();
      };
      const theme = new MutationObserver(repaint);
      theme.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-name"] });
      const size = new ResizeObserver(draw);
      size.observe(root);
      lanes.canvas.addEventListener("mousemove", hover);
      lanes.canvas.addEventListener("mouseleave", leave);
      button.addEventListener("click", click);
      views.add(draw);
      draw();

      return () => {
        views.delete(draw);
        theme.disconnect();
        size.disconnect();
        button.removeEventListener("click", click);
        lanes.canvas.removeEventListener("mousemove", hover);
        lanes.canvas.removeEventListener("mouseleave", leave);
        root.remove();
      };
    },
  };
};

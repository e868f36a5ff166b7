"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const round = (low, high, count) => {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw * 0.999);
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(+(n * step).toPrecision(12));
    return found;
  };

  // The progress chart: the server has drawn it; here its width follows the window, and a range of trials can be chosen.
  const box = by("chart"), svg = box && box.querySelector("svg");
  let from = 0, to = 1, last = 1, width = 960, now = -1;
  const marks = svg ? [...svg.querySelectorAll("use[data-place]")].sort((a, b) => a.dataset.place - b.dataset.place) : [];
  const x = (place) => {
    const left = +svg.dataset.left, right = +svg.dataset.right;
    return left + ((place - from) / (to - from)) * (width - left - right);
  };
  const layout = () => {
    if (!svg) return;
    width = Math.max(300, box.clientWidth || 960);
    const height = +svg.dataset.height, left = +svg.dataset.left - 8, right = width - +svg.dataset.right + 8;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const line of svg.querySelectorAll(":scope > .grid")) line.setAttribute("x2", width - +svg.dataset.right);
    const inside = (at) => (at >= left && at <= right ? "" : "none");
    for (const mark of marks) {
      const at = x(+mark.dataset.place);
      mark.setAttribute("x", at.toFixed(1));
      mark.style.display = inside(at);
    }
    for (const line of svg.querySelectorAll(".interval")) {
      const at = x(+line.dataset.place);
      line.setAttribute("x1", at);
      line.setAttribute("x2", at);
      line.style.display = inside(at);
    }
    const held = (at) => Math.min(Math.max(at, +svg.dataset.left), width - +svg.dataset.right);
    for (const line of svg.querySelectorAll("[data-places]")) {
      const corners = line.dataset.places.split(" ").map((pair) => pair.split(","));
      line.setAttribute("points", corners.map(([place, y]) => `${held(x(+place)).toFixed(1)},${y}`).join(" "));
    }
    const across = svg.querySelector(".across");
    across.replaceChildren();
    const ticks = round(from, to, Math.max(2, Math.min(8, width / 110))).filter((place) => Number.isInteger(place));
    for (const place of ticks) across.append(make("text", { x: x(place), y: height - 12, "text-anchor": "middle" }, place));
  };
  const zoom = (factor, middle) => {
    const center = middle === undefined ? (now >= 0 ? now : (from + to) / 2) : middle;
    const span = Math.min(last, Math.max(Math.min(4, last), (to - from) * factor));
    from = Math.max(0, Math.min(last - span, center - (center - from) * (span / (to - from))));
    to = from + span;
    layout();
  };
  const tell = (place) => {
    if (now >= 0 && marks[now]) marks[now].classList.remove("on");
    now = place;
    const mark = marks[now];
    if (!mark) return;
    mark.classList.add("on");
    by("told").textContent = mark.querySelector("title").textContent;
    if (now < from || now > to) {
      const span = to - from;
      from = Math.max(0, Math.min(last - span, now - span / 2));
      to = from + span;
      layout();
    }
  };
  const open = (trial) => {
    const row = by("t" + trial);
    if (!row) return;
    row.hidden = false;
    for (const other of document.querySelectorAll("#all tr.now")) other.classList.remove("now");
    row.classList.add("now");
    row.scrollIntoView({ block: "center" });
    row.querySelector("a").focus({ preventScroll: true });
    show(trial);
  };
  if (svg) {
    last = Math.max(1, +svg.dataset.last);
    to = last;
    for (const button of document.querySelectorAll("[data-zoom]"))
      button.addEventListener("click", () => {
        if (button.dataset.zoom === "all") { from = 0; to = last; layout(); }
        else zoom(button.dataset.zoom === "in" ? 0.5 : 2);
      });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
      if (step) tell(Math.max(0, Math.min(marks.length - 1, now + step)));
      else if (event.key === "Home") tell(0);
      else if (event.key === "End") tell(marks.length - 1);
      else if (event.key === "+" || event.key === "=") zoom(0.5);
      else if (event.key === "-") zoom(2);
      else if (event.key === "0" || event.key === "Escape") { from = 0; to = last; layout(); }
      else if (event.key === "Enter" && now >= 0) open(marks[now].dataset.trial);
      else return;
      event.preventDefault();
    });
    const place = (event) => {
      const at = event.clientX - box.getBoundingClientRect().left;
      return from + ((at - +svg.dataset.left) / (width - +svg.dataset.left - +svg.dataset.right)) * (to - from);
    };
    box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && Math.abs(event.deltaY) < Math.abs(event.deltaX)) return;
      if (event.deltaY > 0 && to - from >= last) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 0.8 : 1.25, place(event));
    }, { passive: false });
    let start = null;
    box.addEventListener("pointerdown", (event) => { start = event.pointerType === "mouse" ? place(event) : null; });
    box.addEventListener("pointerup", (event) => {
      const end = place(event);
      if (start !== null && Math.abs(end - start) > (to - from) / 40) {
        from = Math.max(0, Math.min(start, end));
        to = Math.min(last, Math.max(start, end));
        if (to - from < 2) to = Math.min(last, from + 2);
        layout();
      }
      start = null;
    });
    svg.addEventListener("pointerover", (event) => {
      const mark = event.target.closest("use[data-place]");
      if (mark) tell(marks.indexOf(mark));
    });
    svg.addEventListener("click", (event) => {
      const mark = event.target.closest("use[data-trial]");
      if (mark) open(mark.dataset.trial);
    });
  }
  for (const small of document.querySelectorAll("svg.small"))
    small.addEventListener("click", (event) => {
      const mark = event.target.closest("use[data-trial]");
      if (mark) open(mark.dataset.trial);
    });

  // Learning curves: each chosen trial beside what it had to beat, on the same seeds.
  const COLORS = ["var(--good)", "var(--base)", "var(--wrong)", "#b8860b", "#8e44ad", "#00838f"];
  let shown = [];
  const curves = () => {
    const host = by("curve");
    if (!host) return;
    const lines = [];
    shown.forEach((trial, index) => {
      const mine = data.trials[trial], color = COLORS[index % COLORS.length];
      const against = mine.base && data.trials[mine.base];
      const latest = mine.curves.slice(-2);
      for (const curve of latest) {
        lines.push({ curve, color, name: `exp/${trial} seed ${curve[0]}` });
        const other = against && against.curves.filter((each) => each[0] === curve[0]).pop();
        if (other) lines.push({ curve: other, color, against: true, name: `exp/${mine.base} seed ${curve[0]}` });
      }
    });
    host.replaceChildren();
    const legend = by("curve-legend");
    legend.replaceChildren();
    const named = lines.length ? lines[0].curve[1] : "";
    const drawn = lines.filter((line) => line.curve[1] === named && line.curve[2].length);
    if (!drawn.length) {
      host.textContent = "No learning curve is kept of these trials.";
      return;
    }
    const w = Math.max(300, host.clientWidth || 960), h = 280, left = 58, right = 12, top = 10, bottom = 34;
    const steps = drawn.flatMap((line) => line.curve[2]), values = drawn.flatMap((line) => line.curve[3]);
    const sorted = [...values].sort((a, b) => a - b);
    const lowest = sorted[0], highest = sorted[Math.floor((sorted.length - 1) * 0.99)];
    const margin = 0.05 * (highest - lowest) || Math.abs(highest) * 0.05 || 1;
    const low = lowest - margin, high = highest + margin, first = Math.min(...steps), end = Math.max(...steps, first + 1);
    const px = (s) => left + ((s - first) / (end - first)) * (w - left - right);
    const py = (v) => h - bottom - ((Math.min(Math.max(v, low), high) - low) / (high - low)) * (h - top - bottom);
    const picture = make("svg", { viewBox: `0 0 ${w} ${h}` });
    for (const tick of round(low, high, 5)) {
      picture.append(make("line", { class: "grid", x1: left, x2: w - right, y1: py(tick), y2: py(tick) }));
      picture.append(make("text", { x: left - 8, y: py(tick) + 4, "text-anchor": "end" }, tick));
    }
    for (const tick of round(first, end, Math.max(2, Math.min(8, w / 120))))
      picture.append(make("text", { x: px(tick), y: h - 14, "text-anchor": "middle" }, tick));
    picture.append(make("text", { x: w - right, y: h - 1, "text-anchor": "end" }, `step; ${named}`));
    for (const line of drawn) {
      const path = line.curve[2].map((s, i) => `${px(s).toFixed(1)},${py(line.curve[3][i]).toFixed(1)}`).join(" ");
      const element = make("polyline", { class: "curve" + (line.against ? " against" : ""), points: path });
      element.style.stroke = line.color;
      element.append(make("title", {}, line.name));
      picture.append(element);
      const item = document.createElement("li"), mark = make("svg", { viewBox: "0 0 16 16", width: 16, height: 16 });
      const dash = make("line", { x1: 0, x2: 16, y1: 8, y2: 8, "stroke-width": 2, "stroke-dasharray": line.against ? "4 3" : "none" });
      dash.style.stroke = line.color;
      mark.append(dash);
      item.append(mark, line.name + (line.against ? ", held against" : ""));
      legend.append(item);
    }
    host.append(picture);
    host.setAttribute("aria-label", "Learning curves: " + drawn.map((line) => `${line.name} from ${line.curve[3][0]} to ${line.curve[3].at(-1)}`).join("; "));
  };
  const show = (trial) => {
    trial = String(trial).replace(/^exp\//, "").trim();
    if (!data.trials[trial]) return;
    shown = [...shown.filter((each) => each !== trial), trial].slice(-4);
    curves();
  };
  const alone = () => {
    shown = [...new Set([data.baseline, data.best])].filter((trial) => trial !== null && data.trials[trial]);
    curves();
  };
  if (by("add")) {
    by("add").addEventListener("click", () => show(by("pick").value));
    by("pick").addEventListener("keydown", (event) => { if (event.key === "Enter") show(by("pick").value); });
    by("clear").addEventListener("click", alone);
  }

  // The table: search, filter, sort.
  const table = by("all");
  if (table) {
    const body = table.tBodies[0], rows = [...body.rows], texts = rows.map((row) => row.textContent.toLowerCase());
    const filter = () => {
      const wanted = by("search").value.toLowerCase().split(/\s+/).filter(Boolean), verdict = by("verdict").value;
      let count = 0;
      rows.forEach((row, i) => {
        const fits = !verdict || row.className.split(" ")[0] === verdict || (verdict === "dead" && !/^(accepted|baseline|kept)/.test(row.className));
        row.hidden = !(fits && wanted.every((word) => texts[i].includes(word)));
        count += !row.hidden;
      });
      by("found").textContent = `${count} of ${rows.length}`;
    };
    by("search").addEventListener("input", filter);
    by("verdict").addEventListener("change", filter);
    [...table.tHead.rows[0].cells].forEach((head, column) =>
      head.querySelector("button").addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending" || (!head.hasAttribute("aria-sort") && head.classList.contains("n"));
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const numeric = head.dataset.sort === "n";
        const value = (row) => (numeric ? row.cells[column].dataset.v : row.cells[column].textContent);
        const sorted = [...rows].sort((a, b) => {
          const left = value(a), right = value(b);
          // What has no number comes last, either way.
          if (numeric && (left === "" || right === "")) return (left === "") - (right === "");
          const order = numeric ? left - right : left.localeCompare(right);
          return down ? -order : order;
        });
        body.append(...sorted);
      }));
    for (const link of document.querySelectorAll("a.t"))
      link.addEventListener("click", (event) => { event.preventDefault(); open(link.dataset.trial); });
    filter();
  }
  alone();
  layout();
  let waiting = 0;
  addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => { layout(); curves(); }); });
  addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });
})();

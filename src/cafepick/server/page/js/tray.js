// A photo with its beans as an SVG: each bean is a button, reached by tapping, by the arrow keys, or by name.
//
// Layers from below: photo, outlines (NG last, so that nothing covers them), plates with numbers, and on top the
// transparent shapes that are tapped, in reading order. Lines keep their width on the screen at any zoom.

import { fill, h, s, toggle } from "./dom.js";
import { icon } from "./icons.js";
import { hasPlate, isCrowded, places } from "./plates.js";
import { t } from "./words.js";

const MOST_ZOOM = 6;
const SIGNS = { ng: "M-3.500-3.500l7 7M-3.500 3.500l7-7", ok: "M-4 .3l2.700 2.900L4-3", out: "M-4 0h8" };
const PRINTED = 690; // CSS pixels of a printed page's width
const FINE_PRINT = 0.62; // paper is sharper than a screen

/**
 * @param {object} options
 * @param {{width: number, height: number, url: string, name: string}} options.photo in pixels of the upright photo
 * @param {{bean: number, outline: number[][], box: object}[]} options.beans
 * @param {string} options.label of the whole
 * @param {(bean: number) => void} options.onpick a bean was tapped, or opened with Enter
 * @param {boolean} [options.zoomable]
 * @param {HTMLElement} [options.below] what stands under the photo
 * @returns {{element: HTMLElement, mark: Function, choose: Function, focus: Function, gone: Function}}
 */
export function tray({ photo, beans, label, onpick, zoomable = true, below = null }) {
  const looks = new Map();
  const hits = new Map();
  const shown = new Map(); // bean -> {kind, hand, label}
  const under = s("g", { class: "looks", "aria-hidden": "true" });
  const plates = s("g", { class: "plates", "aria-hidden": "true" });
  const over = s("g", { class: "hits" });
  for (const bean of beans) {
    const path = pathOf(bean, photo);
    looks.set(bean.bean, s("g", { class: "look" },
      s("path", { class: "halo", d: path }), s("path", { class: "line", d: path }), s("path", { class: "brackets" })));
    hits.set(bean.bean, s("path", { class: "hit", d: path, role: "button", tabindex: "-1", data: { bean: bean.bean } }));
  }
  under.append(...looks.values());
  over.append(...hits.values());
  const picture = s("image", { href: photo.url, width: photo.width, height: photo.height });
  const svg = s("svg", {
    class: "photo", viewBox: `0 0 ${photo.width} ${photo.height}`, role: "group", "aria-label": label,
  }, picture, under, plates, over);
  const pane = h("div", { class: "pane" }, svg);
  const element = h("div", { class: "tray" }, pane, zoomable && h("div", { class: "foot" }, h("div", {}, below, h("p", { class: "hint crowd" }, t("zoom.hint"))), zoomer()));

  let zoom = 1;
  let fitted = 0;
  let current = beans[0]?.bean ?? null;
  let chosen = null;
  rove(current);

  over.addEventListener("click", (event) => {
    const bean = Number(event.target.dataset.bean);
    if (!bean) return;
    rove(bean);
    onpick(bean);
  });
  over.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onpick(current);
      return;
    }
    const next = neighbour(event.key);
    if (next === null) return;
    event.preventDefault();
    rove(next);
    hits.get(next).focus();
  });

  const watcher = new ResizeObserver(() => fit());
  watcher.observe(element);
  const toPaper = () => draw((FINE_PRINT * photo.width) / PRINTED);
  const toScreen = () => fit(true);
  window.addEventListener("beforeprint", toPaper);
  window.addEventListener("afterprint", toScreen);

  function zoomer() {
    const button = (name, by, words) => h("button", {
      type: "button", class: "round", "aria-label": words, title: words, on: { click: () => zoomBy(by) },
    }, icon(name));
    return h("div", { class: "zoomer" }, button("minus", 1 / 1.6, t("zoom.out")), button("plus", 1.6, t("zoom.in")));
  }

  function zoomBy(factor) {
    const middle = [(pane.scrollLeft + pane.clientWidth / 2) / pane.scrollWidth, (pane.scrollTop + pane.clientHeight / 2) / pane.scrollHeight];
    zoom = Math.min(Math.max(zoom * factor, 1), MOST_ZOOM);
    fit(true);
    pane.scrollLeft = middle[0] * pane.scrollWidth - pane.clientWidth / 2;
    pane.scrollTop = middle[1] * pane.scrollHeight - pane.clientHeight / 2;
  }

  /** Give the picture the size that the room and the zoom allow, and the marks the size that eyes need. */
  function fit(anew = false) {
    const room = element.clientWidth;
    if (!room) return;
    const most = Number.parseFloat(getComputedStyle(element).getPropertyValue("--most-height")) || 0.7;
    const width = Math.round(Math.min(room, (most * window.innerHeight * photo.width) / photo.height));
    if (width === fitted && !anew) return;
    fitted = width;
    svg.style.width = `${Math.round(width * zoom)}px`;
    pane.style.maxWidth = `${Math.min(room, Math.round(width * zoom))}px`;
    pane.style.maxHeight = `${Math.ceil((width * photo.height) / photo.width)}px`;
    if (zoom > 1) pane.tabIndex = 0;
    else pane.removeAttribute("tabindex");
    draw(photo.width / (width * zoom));
  }

  /** Draw what depends on the size of a screen pixel, `unit` photo pixels. */
  function draw(unit) {
    const across = beans.length ? median(beans.map((bean) => Math.sqrt(bean.box.width * bean.box.height))) / unit : 0;
    svg.style.setProperty("--pen", String(Math.min(Math.max(across / 46, 0.45), 1)));
    for (const bean of beans) {
      const kind = shown.get(bean.bean)?.kind;
      looks.get(bean.bean).lastChild.setAttribute("d", kind === "ng" ? brackets(bean.box, 0.09 * across * unit) : "");
    }
    const labelled = beans
      .filter((bean) => shown.has(bean.bean))
      .map((bean) => ({ ...bean, ...shown.get(bean.bean), isChosen: bean.bean === chosen }))
      .filter((bean) => hasPlate(bean) || (bean.numbered && across > 40));
    const crowded = isCrowded(labelled.filter(hasPlate).length, photo, unit);
    toggle(element, "crowded", crowded);
    const marked = crowded ? labelled.filter((bean) => bean.isChosen) : labelled;
    const crosses = crowded ? labelled.filter((bean) => hasPlate(bean) && !bean.isChosen).map((bean) => badge(bean, unit)) : [];
    fill(plates, crosses, places(marked, beans, photo, unit).map(([bean, x, y]) => plate(bean, x, y, unit)));
  }

  /** Show the beans anew. `states` maps a bean to {kind: ok | ng | cut | out, hand, numbered, label, pressed}. */
  function mark(states) {
    for (const [bean, state] of states) {
      shown.set(bean, state);
      looks.get(bean).setAttribute("class", `look ${state.kind}${bean === chosen ? " chosen" : ""}`);
      const hit = hits.get(bean);
      hit.setAttribute("aria-label", state.label);
      if (state.pressed !== undefined) hit.setAttribute("aria-pressed", String(state.pressed));
      if (state.kind === "ng") under.append(looks.get(bean));
    }
    fit(true);
  }

  function choose(bean) {
    if (looks.has(chosen)) toggle(looks.get(chosen), "chosen", false);
    chosen = bean;
    fit(true);
    if (!looks.has(bean)) return;
    toggle(looks.get(bean), "chosen", true);
    rove(bean);
    if (zoom > 1) hits.get(bean).scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function rove(bean) {
    if (hits.has(current)) hits.get(current).setAttribute("tabindex", "-1");
    current = bean;
    if (hits.has(bean)) hits.get(bean).setAttribute("tabindex", "0");
  }

  /** The bean that an arrow key leads to: the nearest one in that direction. */
  function neighbour(key) {
    const here = beans.find((bean) => bean.bean === current);
    if (key === "Home") return beans[0].bean;
    if (key === "End") return beans.at(-1).bean;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (!step || !here) return null;
    const [x, y] = middleOf(here.box);
    let [best, least] = [null, Infinity];
    for (const bean of beans) {
      const [across, down] = [middleOf(bean.box)[0] - x, middleOf(bean.box)[1] - y];
      const along = across * step[0] + down * step[1];
      const aside = Math.abs(across * step[1]) + Math.abs(down * step[0]);
      const far = along + 2.5 * aside;
      if (along > 0 && far < least) [best, least] = [bean.bean, far];
    }
    return best;
  }

  return {
    element,
    mark,
    choose,
    focus: (bean) => hits.get(bean ?? current)?.focus(),
    gone() {
      watcher.disconnect();
      window.removeEventListener("beforeprint", toPaper);
      window.removeEventListener("afterprint", toScreen);
    },
  };
}

function pathOf({ outline }, photo) {
  const inset = Math.min(photo.width, photo.height) / 100;
  const [right, bottom] = [photo.width - inset, photo.height - inset];
  const line = outline.length ? outline : [[inset, inset], [right, inset], [right, bottom], [inset, bottom]];
  return `M${line.map(([x, y]) => `${x} ${y}`).join("L")}Z`;
}

/** The four corners of a box, a little outside it. */
function brackets({ x, y, width, height }, away) {
  const [left, top, right, bottom] = [x - away, y - away, x + width + away, y + height + away];
  const arm = 0.22 * Math.min(right - left, bottom - top);
  return [[left, top, arm, arm], [right, top, -arm, arm], [left, bottom, arm, -arm], [right, bottom, -arm, -arm]]
    .map(([cx, cy, dx, dy]) => `M${cx + dx} ${cy}H${cx}V${cy + dy}`).join("");
}

/** The sign of a bean alone, where there is no room for numbers. */
function badge({ box, kind, hand }, unit) {
  const [x, y] = middleOf(box);
  const size = Math.min(Math.max((0.42 * Math.min(box.width, box.height)) / unit, 8), 15) * unit;
  return s("g", { transform: `translate(${x} ${y}) scale(${size / 20})`, class: `plate ${kind}${hand ? " hand" : ""}` },
    s("rect", { x: -10, y: -10, width: 20, height: 20, rx: 5 }), s("path", { d: SIGNS[kind] }));
}

/** The number of a bean; NG has a filled plate with a cross, what a hand corrected a hollow one. */
function plate({ bean, kind, hand, side }, x, y, unit) {
  const props = { transform: `translate(${x} ${y}) scale(${unit})`, class: `plate ${kind}${hand ? " hand" : ""}` };
  if (!hasPlate({ kind, hand })) return s("g", props, s("text", { class: "number" }, String(bean)));
  return s("g", props,
    s("rect", { x: -side[0] / 2, y: -side[1] / 2, width: side[0], height: side[1], rx: 5 }),
    s("path", { d: SIGNS[kind], transform: `translate(${11 - side[0] / 2} 0)` }),
    s("text", { x: 8 }, String(bean)));
}

const middleOf = ({ x, y, width, height }) => [x + width / 2, y + height / 2];

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[sorted.length >> 1];
}

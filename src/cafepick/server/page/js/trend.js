// The share of NG per lot as columns, oldest on the left; each column is a button that shows its checks.

import { fill, h, s } from "./dom.js";
import { number, percent, t } from "./words.js";

const HEIGHT = 190;
const TOP = 24;
const BOTTOM = 30;
const LEFT = 46;
const NARROW = 44; // a column and the room beside it

export function trend(lots, onchoose) {
  const known = lots.filter((lot) => lot.corrected.ng_share !== null);
  const place = h("div", { class: "chart" });
  const element = h("section", { class: "card trend", hidden: known.length < 2 }, h("h2", {}, t("history.trend")), h("p", { class: "hint" }, t("history.trend.hint")),
    place, h("details", {}, h("summary", {}, t("history.trend.table")), table(known)));
  let chosen;
  let width = 0;
  const watcher = new ResizeObserver(() => {
    if (Math.abs(place.clientWidth - width) < 2) return;
    width = place.clientWidth;
    draw();
  });
  watcher.observe(place);

  function draw() {
    if (!width) return;
    const shown = known.slice(-Math.max(2, Math.floor((width - LEFT) / NARROW)));
    const top = ceiling(Math.max(...shown.map((lot) => lot.corrected.ng_share), 0.01));
    const step = (width - LEFT) / shown.length;
    const y = (share) => HEIGHT - BOTTOM - (share / top) * (HEIGHT - TOP - BOTTOM);
    const lines = [0, top / 2, top].map((share) => [s("line", { class: "grid", x1: LEFT, x2: width, y1: y(share), y2: y(share) }),
      s("text", { class: "axis", x: LEFT - 8, y: y(share) + 4, "text-anchor": "end" }, percent(share))]);
    const columns = shown.map((lot, index) => column(lot, LEFT + index * step, step, y));
    const buttons = shown.map((lot, index) => button(lot, LEFT + index * step, step));
    fill(place, s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "group", "aria-label": t("history.trend") },
      s("g", { "aria-hidden": "true" }, lines, columns), buttons));
  }

  function column(lot, x, step, y) {
    const share = lot.corrected.ng_share;
    const wide = Math.min(step * 0.56, 46);
    const most = Math.max(3, Math.floor(step / 8.5));
    const name = nameOf(lot);
    return s("g", { class: `column${lot.lot === chosen ? " chosen" : ""}` },
      s("rect", { class: "pillar", x: x + (step - wide) / 2, y: y(share), width: wide, height: Math.max(y(0) - y(share), 2), rx: 3 }),
      s("text", { class: "figure", x: x + step / 2, y: y(share) - 7, "text-anchor": "middle" }, percent(share)),
      s("text", { class: "axis", x: x + step / 2, y: HEIGHT - 9, "text-anchor": "middle" }, name.length > most ? `${name.slice(0, most - 1)}…` : name));
  }

  /** What is pressed lies over the column, and says in words what it shows. */
  function button(lot, x, step) {
    const judged = lot.corrected.OK + lot.corrected.NG;
    const fields = { lot: nameOf(lot), share: percent(lot.corrected.ng_share), beans: t("beans", { n: judged }), checks: t("history.count", { n: lot.checks }) };
    const words = t("history.trend.lot", fields);
    const open = () => onchoose(lot.lot === chosen ? null : lot.lot);
    const press = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open();
    };
    return s("rect", {
      class: "reach", x, y: 0, width: step, height: HEIGHT, rx: 8, role: "button", tabindex: "0", "aria-label": words,
      "aria-pressed": String(lot.lot === chosen), data: { lot: lot.lot }, on: { click: open, keydown: press },
    }, s("title", {}, words));
  }

  return {
    element,
    choose(lot) {
      const held = place.contains(document.activeElement) ? document.activeElement.dataset.lot : null;
      chosen = lot;
      draw();
      if (held !== null) [...place.querySelectorAll(".reach")].find((one) => one.dataset.lot === held)?.focus();
    },
    gone: () => watcher.disconnect(),
  };
}

const nameOf = ({ lot }) => lot || t("history.lot.none");

/** A round share above the highest. */
function ceiling(share) {
  return [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1].find((one) => one >= share) ?? 1;
}

function table(lots) {
  const head = ["history.lot", "history.trend.checks", "history.trend.beans", "history.trend.share", "history.trend.area"];
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("history.trend") }, h("table", {},
    h("thead", {}, h("tr", {}, head.map((key) => h("th", { scope: "col" }, t(key))))),
    h("tbody", {}, lots.map((lot) => h("tr", {}, h("th", { scope: "row" }, nameOf(lot)), h("td", {}, number(lot.checks)),
      h("td", {}, number(lot.corrected.OK + lot.corrected.NG)), h("td", {}, percent(lot.corrected.ng_share)), h("td", {}, percent(lot.corrected.ng_area_share)))))));
}

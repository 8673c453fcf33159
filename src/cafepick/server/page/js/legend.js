// What the marks on the tray mean, and how many of each there are.

import { h, s } from "./dom.js";
import { number, t } from "./words.js";

/** @returns {{element: HTMLElement, tell: (count: {NG: number, OK: number, CUT: number, corrections: number}) => void}} */
export function legend() {
  const entries = [["NG", swatch("ng"), t("legend.ng")], ["OK", swatch("ok"), t("legend.ok")], ["CUT", swatch("cut"), t("legend.cut")], ["corrections", hand(), t("legend.hand")]];
  const figures = new Map(entries.map(([key]) => [key, h("b", {})]));
  const rows = new Map(entries.map(([key, picture, words]) => [key, h("li", {}, picture, words, figures.get(key))]));
  const element = h("ul", { class: "legend", "aria-label": t("legend") }, [...rows.values()]);

  function tell(count) {
    for (const [key, figure] of figures) figure.textContent = number(count[key]);
    for (const key of ["CUT", "corrections"]) rows.get(key).hidden = !count[key];
  }

  return { element, tell };
}

const swatch = (kind) => s("svg", { class: `swatch look ${kind}`, viewBox: "0 0 34 24", "aria-hidden": "true" },
  s("ellipse", { class: "line", cx: 17, cy: 12, rx: 10.5, ry: 7 }),
  kind === "ng" && s("path", { class: "brackets", d: "M2.500 6V2.500H7M27 2.500h4.500V6M31.500 18v3.500H27M7 21.500H2.500V18" }));

const hand = () => s("svg", { class: "swatch plate ok hand", viewBox: "0 0 34 24", "aria-hidden": "true" },
  s("rect", { x: 3, y: 3, width: 28, height: 18, rx: 5 }), s("path", { d: "M12 12.500l3.500 3.500 7-8" }));

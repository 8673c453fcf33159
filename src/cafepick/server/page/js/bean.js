// One bean: its verdict, the pictures that it rests on, the reason, and what the operator says of it.

import { fill, h, uid } from "./dom.js";
import { address } from "./api.js";
import { icon } from "./icons.js";
import { corrected, mark } from "./marks.js";
import { button } from "./parts.js";
import { sign } from "./rows.js";
import { number, rate as written, reason, t } from "./words.js";

const PICTURES = ["input", "reconstruction", "anomaly_map", "segmentation"];
const PARTS = ["reconstruction", "comparison", "appearance"];

/**
 * @param {object} check
 * @param {{onsay: Function, onopen: Function, onclose: Function}} listeners a correction ("fine", "bad" or null), another bean, the end
 */
export function beanPanel(check, { onsay, onopen, onclose }) {
  const id = uid("bean");
  const element = h("section", { class: "card bean-panel", "aria-labelledby": id, hidden: true });
  let shown = null;
  let rate = check.false_reject;
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") shut();
  });

  function shut() {
    const { bean } = shown;
    shown = null;
    element.hidden = true;
    onclose(bean);
  }

  function open(verdict, present, { focus = true } = {}) {
    const again = shown?.bean === verdict.bean;
    const held = element.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    shown = verdict;
    rate = present;
    element.hidden = false;
    draw();
    if (focus) element.querySelector("h2").focus({ preventScroll: again });
    else if (held) element.querySelector(`[data-name="${held}"]`)?.focus();
  }

  /** The rate has changed while the bean is shown. */
  function tell(present) {
    if (present === rate || !shown) return;
    rate = present;
    draw();
  }

  function step(by) {
    const wanted = check.verdicts.filter((one) => one.bean === shown.bean || corrected(mark(one, rate), one.correction) === "NG");
    const at = wanted.findIndex((one) => one.bean === shown.bean);
    const next = wanted[(at + by + wanted.length) % wanted.length];
    onopen(next.bean);
    open(next, rate, { focus: false });
  }

  function draw() {
    const machine = mark(shown, rate);
    const verdict = corrected(machine, shown.correction);
    const round = (name, words, by) => h("button", { type: "button", class: "round", "aria-label": words, title: words, data: { name }, on: { click: () => step(by) } }, icon(name));
    fill(element,
      h("div", { class: "between" }, h("h2", { id, tabindex: "-1" }, t("bean", { bean: shown.bean })),
        h("div", { class: "row tight" }, round("left", t("bean.previous"), -1), round("right", t("bean.next"), 1),
          h("button", { type: "button", class: "round", "aria-label": t("close"), title: t("close"), on: { click: shut } }, icon("close")))),
      h("p", { class: `verdict ${verdict.toLowerCase()}` }, verdict !== "CUT" && sign(verdict === "NG"), t(`verdict.${verdict}.long`)),
      shown.correction && h("p", { class: "hint" }, t("bean.machine", { verdict: t(`verdict.${machine}`) })),
      machine !== "CUT" && [
        shown.reason && h("p", { class: "reason" }, reason(shown)),
        h("p", { class: "hint" }, odds(machine)),
        pictures(), said(machine), numbers(),
      ]);
  }

  function odds(machine) {
    const least = shown.p_value <= check.least_rate;
    const words = least
      ? t("bean.odds.few", { kept: number(check.calibration_subjects) })
      : t("bean.odds", { n: number(Math.max(1, Math.round(1000 * shown.p_value))) });
    return machine === "OK" && shown.p_value < 1 ? `${words} ${t("bean.would", { rate: written(shown.p_value) })}` : words;
  }

  function pictures() {
    const path = `/checks/${check.id}/beans/${shown.bean}/panel`;
    return h("div", { class: "pictures", role: "group", "aria-label": t("bean.pictures") }, PICTURES.map((part) => h("figure", {},
      h("img", { src: address(path, { part }), alt: "", width: 256, height: 256 }), h("figcaption", {}, t(`bean.${part}`)))));
  }

  function said(machine) {
    const opposite = machine === "NG" ? "fine" : "bad";
    if (shown.correction) return h("div", { class: "row" }, button(t("bean.undo"), { data: { name: "say" }, on: () => onsay(shown.bean, null) }));
    return h("div", { class: "row" }, button(t(`bean.${opposite}`), { icon: opposite, kind: opposite, data: { name: "say" }, on: () => onsay(shown.bean, opposite) }));
  }

  function numbers() {
    const plain = (value) => new Intl.NumberFormat(document.documentElement.lang, { maximumSignificantDigits: 3 }).format(value);
    const rows = [["bean.p", plain(shown.p_value)], ["bean.score", plain(shown.score)], ["bean.residual", plain(shown.residual)],
      ["bean.discrimination", plain(shown.discrimination)],
      ...PARTS.filter((part) => part in shown.parts).map((part) => [`bean.part.${part}`, plain(shown.parts[part])]),
      ["bean.size", t("bean.size.value", { n: number(Math.round(shown.area)) })]];
    return h("details", {}, h("summary", {}, t("bean.numbers")), h("dl", { class: "numbers" }, rows.map(([key, value]) => [h("dt", {}, t(key)), h("dd", {}, value)])));
  }

  return { element, open, tell, bean: () => shown?.bean ?? null };
}

// The slider for the false-reject rate. Its steps are round rates that the model can promise.

import { h } from "./dom.js";
import { ladder } from "./marks.js";
import { number, rate as written, t } from "./words.js";

/**
 * @param {object} check
 * @param {{onmove: (rate: number) => void, onrest: (rate: number) => void}} listeners while it moves, and when it rests
 */
export function strictness(check, { onmove, onrest }) {
  const rates = ladder(check);
  const bounds = new Map(check.rates.map(({ rate, upper_bound: most }) => [rate, most]));
  bounds.set(check.false_reject, check.upper_bound);
  const slider = h("input", {
    type: "range", min: 0, max: rates.length - 1, step: 1, id: "strictness", value: rates.indexOf(check.false_reject), "aria-describedby": "strictness-hint",
  });
  const value = h("output", { for: "strictness", class: "rate" });
  const hint = h("p", { class: "hint", id: "strictness-hint" });
  const chosen = () => rates[Number(slider.value)];
  slider.addEventListener("input", () => {
    tell();
    onmove(chosen());
  });
  slider.addEventListener("change", () => onrest(chosen()));

  function tell() {
    const rate = chosen();
    const fields = { n: number(Number((100 * rate).toPrecision(2))), most: number(Number((100 * bounds.get(rate)).toPrecision(2))) };
    value.textContent = written(rate);
    slider.setAttribute("aria-valuetext", written(rate));
    hint.textContent = bounds.has(rate) ? t("strictness.hint", fields) : t("strictness.hint.plain", fields);
  }
  tell();

  const least = t("strictness.least", { kept: number(check.calibration_subjects), rate: written(check.least_rate) });
  const element = h("section", { class: "card strictness" },
    h("div", { class: "between" }, h("h2", {}, t("strictness")), value),
    h("label", { for: "strictness", class: "unseen" }, t("strictness.label")), slider,
    h("div", { class: "between hint ends", "aria-hidden": "true" }, h("span", {}, t("strictness.mild")), h("span", {}, t("strictness.strict"))),
    hint, check.least_rate > 0.01 && h("p", { class: "hint" }, least));
  return {
    element,
    /** The server has said what a rate may be at most. */
    learn({ false_reject: rate, upper_bound: most }) {
      bounds.set(rate, most);
      tell();
    },
  };
}

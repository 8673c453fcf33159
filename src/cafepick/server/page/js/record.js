// What is kept of a check: lot, notes, whether it was looked through; and what can be taken out of it.

import { announce, h, settled } from "./dom.js";
import { address, ask } from "./api.js";
import { button, field, link, sure } from "./parts.js";
import { moment, t } from "./words.js";

/** @param {{onchange: (patch: object) => Promise}} listeners */
export function record(check, { onchange }) {
  const lot = h("input", { type: "text", maxlength: 200, autocomplete: "off", value: check.lot });
  const note = h("textarea", { rows: 3, maxlength: 5000, value: check.note });
  const printed = h("p", { class: "printed-note" }, check.note); // a text area prints what fits into it
  const mark = h("span", { class: "hint saved", "aria-hidden": "true" });
  const tell = async (patch) => {
    if (!await onchange(patch)) return;
    mark.textContent = t("saved");
    announce(t("saved"));
    setTimeout(() => { mark.textContent = ""; }, 2500);
  };
  const later = settled(() => tell({ note: note.value }), 1200);
  lot.addEventListener("change", () => tell({ lot: lot.value }));
  note.addEventListener("input", () => {
    printed.textContent = note.value;
    later();
  });
  note.addEventListener("change", () => {
    later.cancel();
    tell({ note: note.value });
  });
  const reviewed = h("input", { type: "checkbox", id: "reviewed", checked: check.reviewed, "aria-describedby": "reviewed-hint", on: { change: () => tell({ reviewed: reviewed.checked }) } });
  const isDone = check.state === "done";
  const element = h("section", { class: "card record" },
    h("div", { class: "between" }, h("h2", {}, t("record")), mark),
    h("p", { class: "hint" }, t("record.by", { moment: moment(check.created), model: check.model.name }), check.method && ` · ${t(`method.${check.method}`)}`),
    field(t("record.lot"), lot), field(t("record.note"), note),
    printed,
    isDone && !check.empty && h("div", { class: "tick" }, reviewed, h("div", {}, h("label", { for: "reviewed" }, t("record.reviewed")), h("p", { class: "hint", id: "reviewed-hint" }, t("record.reviewed.hint")))),
    h("div", { class: "row actions" },
      isDone && button(t("record.print"), { icon: "print", on: () => window.print() }),
      isDone && link(t("record.csv"), { icon: "table", href: address(`/checks/${check.id}/scores.csv`), download: "" }),
      isDone && link(t("record.picture"), { icon: "photo", href: address(`/checks/${check.id}/overlay`), download: `${check.photo.name}-checked.png` }),
      button(t("record.delete"), { icon: "trash", kind: "quiet", on: remove })));

  async function remove() {
    if (!await sure(t("record.delete.sure"), t("delete"))) return;
    await ask("DELETE", `/checks/${check.id}`);
    location.hash = "#/history";
  }

  return { element };
}

// Models: a list with their reports, names and files.

import { announce, fill, h } from "./dom.js";
import { address, ask, get, send } from "./api.js";
import { icon } from "./icons.js";
import { askFor, button, failure, link, sure } from "./parts.js";
import { moment, number, spoken, t } from "./words.js";

/** The models as cards; `onchange` is called after one was renamed or deleted. */
export function modelList(models, onchange) {
  return h("ul", { class: "model-list" }, models.map((model) => card(model, onchange)));
}

function card(model, onchange) {
  const problem = h("div", {});
  const attempt = (action) => async () => {
    try {
      if (await action()) onchange();
    } catch (error) {
      fill(problem, failure(error));
    }
  };
  const rename = attempt(async () => {
    const name = await askFor(t("models.rename.title"), model.name);
    return name && ask("PATCH", `/models/${model.id}`, { body: { name } });
  });
  const remove = attempt(async () => {
    if (!await sure(t("models.delete.sure", { name: model.name }), t("delete"))) return false;
    await ask("DELETE", `/models/${model.id}`);
    return true;
  });
  const round = (name, words, on) => h("button", { type: "button", class: "round", "aria-label": words, title: words, on: { click: on } }, icon(name));
  const learnt = model.training.subjects;
  const fields = { moment: moment(model.created), kept: number(model.calibration_subjects), learnt: number(learnt ?? 0) };
  return h("li", { class: "card model" },
    h("div", {}, h("h3", {}, model.name), h("p", { class: "hint" }, t(Number.isFinite(learnt) ? "models.facts" : "models.facts.short", fields),
      !model.here && ` · ${t("models.elsewhere")}`)),
    h("div", { class: "row tight" },
      model.here && link(t("models.open"), { href: `#/model/${model.id}`, icon: "report", kind: "small" }),
      model.here && link(t("models.file"), { href: address(`/models/${model.id}/file`), icon: "download", kind: "small", download: "" }),
      model.here && link(t("models.calibrate"), { href: `#/teach/${model.id}`, icon: "sun", kind: "small" }),
      button(t("models.rename"), { kind: "small quiet", on: rename }), round("trash", t("models.delete", { name: model.name }), remove)),
    problem);
}

/** A button that takes in a model file. */
export function importer(onchange) {
  const input = h("input", { type: "file", accept: ".cafepick", class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  const problem = h("div", {});
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    fill(problem);
    try {
      const model = await send("/models", file, { query: { name: file.name.replace(/\.cafepick$/, "") } });
      announce(t("models.imported", { name: model.name }));
      onchange();
    } catch (error) {
      fill(problem, failure(error));
    }
  });
  return h("div", { class: "importer" }, button(t("models.import"), { icon: "upload", on: () => input.click() }), input, problem);
}

/** The report of a model's training, in a frame of its own: it comes without script. */
export function reportFrame(model) {
  const url = address(`/models/${model.id}/report.html`, { lang: spoken() });
  return h("section", { class: "report" },
    h("div", { class: "between" }, h("h2", {}, t("training.report")), link(t("models.file"), { href: address(`/models/${model.id}/file`), icon: "download", kind: "small", download: "" })),
    h("iframe", { src: url, title: t("models.report.title", { name: model.name }), loading: "lazy" }));
}

export async function reportView(place, id) {
  const model = await get(`/models/${id}`);
  fill(place, h("h1", {}, model.name), h("div", { class: "row" }, link(t("back"), { href: "#/teach", icon: "left", kind: "small" })), reportFrame(model));
  return { title: t("models.report.title", { name: model.name }) };
}

// Teach: photos of good beans, the beans found in each, a name, and off it goes. A model can also be calibrated anew.

import { announce, fill, h } from "./dom.js";
import { ask, config, get } from "./api.js";
import { intake } from "./intake.js";
import { keep, kept } from "./kept.js";
import { importer, modelList } from "./models.js";
import { failure, field, select } from "./parts.js";
import { lessonPhoto } from "./lesson.js";
import { trainingRow } from "./training.js";
import { day, number, percent, t } from "./words.js";

const FEW = 300;
const FEW_PHOTOS = 10;
const ENOUGH_FOR_LIGHT = 5;
const ENOUGH_FOR_ONE_PERCENT = 99;
const AT_ONCE = 2;

/** `chosen` is the model to calibrate, if one is. */
export async function teachView(place, chosen = "") {
  const [{ trainings }, { models: first }, { recipes }] = await Promise.all([get("/trainings", { limit: 20 }), get("/models"), config()]);
  let models = first;
  const photos = []; // lessonPhoto objects, in the order in which they came
  const waiting = [];
  let working = 0;
  const problems = h("div", {});
  const grid = h("div", { class: "lessons" });
  const total = h("p", { class: "total", role: "status" });
  const drop = intake({
    purpose: "teach", several: true,
    onfiles: (files) => files.forEach((file) => add({ file })),
    onproblem: (words) => fill(problems, failure({ code: "invalid", message: words })),
  });
  const form = lessonForm(recipes, models, chosen, start);
  const running = trainings.filter((one) => one.state === "running" || one.state === "queued");
  const past = trainings.filter((one) => !running.includes(one) && one.state !== "done");
  const list = h("section", { class: "models" });
  fill(place,
    h("div", { class: "lead" }, h("h1", {}, t("teach.title")), h("p", {}, t("teach.lead"))),
    chosen && !models.some((one) => one.id === chosen) && failure({ code: "no_such_model" }),
    running.length > 0 && h("section", { class: "card now" }, h("h2", {}, t("training.running")), h("ul", { class: "rows" }, running.map(trainingRow))),
    h("div", { class: "lesson" },
      h("section", { class: "lesson-photos", "aria-label": t("teach.photos") }, drop.element, problems, h("p", { class: "hint" }, t("teach.photos.hint")), total, grid),
      form.element),
    list,
    past.length > 0 && h("section", {}, h("h2", {}, t("training.past")), h("ul", { class: "rows" }, past.map(trainingRow))));
  list.addEventListener("click", ({ target }) => {
    if (target.closest("a")?.getAttribute("href") === location.hash) form.offer(models, chosen); // the address stays
  });
  drawModels();
  for (const one of kept("draft", [])) add(one);
  tell();

  function drawModels() {
    fill(list, h("div", { class: "between" }, h("h2", {}, t("models")), importer(lookAgain)),
      models.length ? modelList(models, lookAgain) : h("p", { class: "hint" }, t("models.none")));
  }

  async function lookAgain() {
    ({ models } = await get("/models"));
    form.offer(models);
    drawModels();
  }

  function add(source) {
    const photo = lessonPhoto(source, { onchange: changed, onremove: () => remove(photo) });
    photos.push(photo);
    grid.append(photo.element);
    waiting.push(photo);
    changed();
    work();
  }

  /** Send photos and look for their beans, a few at once. */
  async function work() {
    if (working >= AT_ONCE || !waiting.length) return;
    working += 1;
    const photo = waiting.shift();
    await photo.load();
    const twin = photos.find((other) => other !== photo && photo.id && other.id === photo.id);
    if (twin || photo.isGone) remove(photo);
    working -= 1;
    changed();
    work();
  }

  function remove(photo) {
    photos.splice(photos.indexOf(photo), 1);
    photo.gone();
    changed();
  }

  function changed() {
    // at once: a page that is closed right after a tap must not forget it
    keep("draft", photos.filter((one) => one.id).map(({ id, name, unticked }) => ({ id, name, unticked: [...unticked] })));
    tell();
  }

  function tell() {
    const beans = photos.reduce((sum, photo) => sum + photo.good, 0);
    total.textContent = photos.length ? t("teach.total", { beans: t("beans", { n: beans }), photos: t("photos", { n: photos.length }) }) : "";
    form.tell({ isReady: photos.every((one) => one.isDone), all: photos.filter((one) => one.id).length, count: photos.filter((one) => one.good > 0).length, beans });
  }

  async function start(wish) {
    const isWhole = (models.find((one) => one.id === wish.model) ?? wish).subject === "whole";
    const lesson = photos.filter((one) => one.good > 0 || (isWhole && one.id))
      .map(({ id, unticked }) => ({ id, unticked: isWhole ? [] : [...unticked] }));
    const training = await ask("POST", "/trainings", { body: { ...wish, photos: lesson } });
    keep("draft", null);
    location.hash = `#/training/${training.id}`;
  }

  return {
    title: t("teach.title"),
    gone: () => {
      drop.gone();
      photos.forEach((photo) => photo.gone());
    },
  };
}

/** Name, thoroughness, and what only experts need; or which of `models` is calibrated, where nothing else is asked. */
function lessonForm(recipes, models, chosen, start) {
  const problem = h("div", {});
  const name = h("input", { type: "text", maxlength: 200, autocomplete: "off", required: true, placeholder: t("teach.name.example"), value: kept("draft.name", "") });
  name.addEventListener("input", () => keep("draft.name", name.value));
  const shown = recipes.filter((one) => one !== "anogan");
  const choices = shown.map((recipe, index) => h("label", { class: "choice" },
    h("input", { type: "radio", name: "recipe", value: recipe, checked: index === 0 }),
    h("span", {}, h("b", {}, t(`teach.recipe.${recipe}`)), h("small", {}, t(`teach.recipe.${recipe}.hint`)))));
  const steps = h("input", { type: "number", min: 1, max: 1_000_000, inputmode: "numeric", name: "steps" });
  const size = select([["32", "32"], ["64", "64"], ["128", "128"]], "64");
  const aside = h("input", { type: "number", min: 0.05, max: 0.9, step: 0.05, value: 0.15 });
  const subject = select([["beans", t("teach.subject.beans")], ["whole", t("teach.subject.whole")]], "beans");
  const settings = h("textarea", { rows: 3, spellcheck: "false", autocapitalize: "off" });
  const published = recipes.includes("anogan") && h("label", { class: "choice" },
    h("input", { type: "radio", name: "recipe", value: "anogan" }),
    h("span", {}, h("b", {}, t("teach.recipe.anogan")), h("small", {}, t("teach.recipe.anogan.hint"))));
  const expert = h("details", { class: "expert" }, h("summary", {}, t("teach.expert")), published,
    field(t("teach.steps"), steps, t("teach.steps.hint")), field(t("teach.size"), size), field(t("teach.hold_back"), aside),
    field(t("teach.subject"), subject), field(t("teach.settings"), settings));
  const how = h("fieldset", {}, h("legend", {}, t("teach.how")), choices);
  const what = h("select", {}, []);
  what.addEventListener("change", choose);
  const light = h("p", { class: "hint" });
  const few = h("p", { class: "hint" });
  const go = h("button", { class: "button primary wide" }, t("teach.start"));
  let state = { isReady: true, all: 0, count: 0, beans: 0 };
  const whatField = field(t("teach.what"), what);
  const element = h("form", { class: "card lesson-form", novalidate: true },
    whatField, light,
    field(t("teach.name"), name, t("teach.name.hint")), how, expert, few, problem, go);
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const lacking = whatLacks();
    if (lacking) {
      fill(problem, h("p", { class: "need", role: "alert" }, t(lacking)));
      if (lacking === "teach.need.name") name.focus();
      return;
    }
    go.disabled = true;
    try {
      await start(wish());
      keep("draft.name", null);
      announce(t("training.running"));
    } catch (error) {
      fill(problem, failure(error));
    } finally {
      go.disabled = false;
    }
  });

  /** The model to calibrate; undefined where a new one is taught. */
  function model() {
    return models.find((one) => one.id === what.value);
  }

  function choose() {
    const base = model();
    how.hidden = Boolean(base);
    expert.hidden = Boolean(base);
    go.textContent = t(base ? "teach.calibrate.start" : "teach.start");
    light.textContent = base ? t(looksAtBeans(base) ? "teach.calibrate.hint" : "teach.calibrate.hint.threshold") : "";
    const suggested = base ? `${base.name} · ${day(new Date())}` : "";
    if (!name.value.trim() || name.dataset.suggested === name.value) name.value = suggested;
    name.dataset.suggested = suggested;
    tell(state);
  }

  function whatLacks() {
    if (!state.isReady) return "teach.need.wait";
    const isBeans = (model()?.subject ?? subject.value) === "beans";
    if (isBeans && state.count && !state.beans) return "teach.need.beans";
    const count = isBeans ? state.count : state.all;
    if (!count && model()) return "teach.need.photo";
    if (count < 2 && !model()) return "teach.need.photos";
    return name.value.trim() ? null : "teach.need.name";
  }

  function wish() {
    if (model()) return { name: name.value.trim(), model: model().id };
    return {
      name: name.value.trim(), recipe: element.querySelector("[name=recipe]:checked").value, subject: subject.value,
      steps: steps.value ? Number(steps.value) : null, size: Number(size.value), hold_back: Number(aside.value),
      settings: settings.value.split("\n").map((line) => line.trim()).filter(Boolean),
    };
  }

  function tell(now) {
    state = now;
    few.textContent = (model() ? fewToCalibrate(now, model()) : fewToTeach(now)).filter(Boolean).join(" ");
    fill(problem);
  }

  /** Offers the models that there are now; the chosen one stays chosen. */
  function offer(known, wanted = what.value) {
    models = known.filter((one) => one.here);
    const choices = [["", t("teach.new")], ...models.map((one) => [one.id, t("teach.calibrate", { name: one.name })])];
    fill(what, choices.map(([value, words]) => h("option", { value, selected: value === wanted }, words)));
    whatField.hidden = models.length === 0;
    choose();
  }

  offer(models, chosen);
  return { element, tell, offer };
}

/** Whether a model looks at beans, in which case it knows their light too. */
const looksAtBeans = (model) => model.subject === "beans" && model.training.recipe !== "anogan";

const fewToTeach = ({ beans, count }) => [
  beans && beans < FEW && t("teach.few", { n: number(beans) }),
  beans && count < FEW_PHOTOS && t("teach.few.photos", { n: number(count) }),
];

const fewToCalibrate = ({ beans, count }, model) => model.subject === "beans" && [
  beans && beans < ENOUGH_FOR_ONE_PERCENT && t("teach.calibrate.few", { n: number(beans), rate: percent(1 / (beans + 1)) }),
  beans && count < ENOUGH_FOR_LIGHT && looksAtBeans(model) && t("teach.calibrate.few.photos", { n: number(count) }),
] || [];

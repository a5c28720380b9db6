/** What stands above the table of runs: search, ranges, columns, grouping, and the runs that are ticked. */

import { stateLink } from "./app.js";
import { actionButton, element, isolatedText, labelledCheckbox, uniqueId } from "./dom.js";
import { formatCount, plural, shortText } from "./format.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {{ element: HTMLElement, update: (state: ViewState) => void }} Tool */

/** @type {{ [group: string]: string }} */
export const GROUP_TITLES = { run: "Run", figure: "Figures", metric: "Metrics", seed: "Seeds", config: "Configuration" };

/**
 * @param {App} app
 * @returns {Tool}
 */
export function createSearch(app) {
  const field = element("input", { type: "search", id: "run-search", placeholder: "name, tag, value, or key=value", autocomplete: "off", spellcheck: "false" });
  field.addEventListener("input", () => app.store.update({ query: field.value, page: 1 }));
  const holder = element("div", { class: "search" }, element("label", { for: field.id }, "Filter runs"), field);
  return {
    element: holder,
    update(state) {
      if (field.value !== state.query) {
        field.value = state.query;
      }
    },
  };
}

/**
 * A button that shows and hides a panel. The panel is made when it is first shown.
 * @param {string} label
 * @param {() => Tool} make
 * @param {() => ViewState} current
 * @returns {{ button: HTMLButtonElement, panel: HTMLElement, update: (state: ViewState) => void, setCount: (count: number) => void }}
 */
export function createPanel(label, make, current) {
  const panel = element("div", { class: "panel", id: uniqueId("panel"), role: "group", "aria-label": label });
  panel.hidden = true;
  const count = element("span", { class: "count" });
  const button = element("button", { type: "button", "aria-expanded": "false", "aria-controls": panel.id }, label, count);
  /** @type {Tool | null} */
  let tool = null;
  button.addEventListener("click", () => {
    if (tool === null) {
      tool = make();
      panel.append(tool.element);
    }
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    tool.update(current());
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      panel.hidden = true;
      button.setAttribute("aria-expanded", "false");
      button.focus();
    }
  });
  return {
    button,
    panel,
    update(state) {
      if (!panel.hidden) {
        tool?.update(state);
      }
    },
    setCount(number) {
      count.textContent = number === 0 ? "" : ` ${number}`;
    },
  };
}

/**
 * Fields for the least and the greatest value of each column of numbers.
 * @param {App} app
 * @returns {Tool}
 */
export function createRanges(app) {
  const columns = app.table.columns.filter((column) => column.numeric);
  const fields = columns.map((column) => rangeFields(app, column));
  const grid = element("div", { class: "ranges" }, ...fields.map((field) => field.element));
  const note = element("p", { class: "soft" }, columns.length === 0 ? "No column holds numbers." : "A run without a number is left out as soon as a range is asked for.");
  return {
    element: element("div", {}, note, grid),
    update(state) {
      fields.forEach((field) => field.update(state));
    },
  };
}

/**
 * @param {App} app
 * @param {TableColumn} column
 * @returns {Tool}
 */
function rangeFields(app, column) {
  const scale = column.kind === "share" ? 100 : 1;
  const title = column.kind === "share" ? `${column.title} (%)` : column.heading();
  const extent = finiteExtent(app, column);
  const ends = ["from", "to"].map((end, at) => {
    const hint = extent === null ? "" : String(Number((extent[at] * scale).toPrecision(4)));
    return element("input", { type: "text", inputmode: "decimal", size: 7, placeholder: hint, "aria-label": `${shortText(title, 60)} ${end}`, autocomplete: "off" });
  });
  const read = () => {
    const values = ends.map((field) => {
      const text = field.value.trim().replace(",", ".");
      const value = text === "" ? null : Number(text) / scale;
      field.setAttribute("aria-invalid", String(value !== null && !Number.isFinite(value)));
      return value !== null && Number.isFinite(value) ? value : null;
    });
    const { [column.id]: _, ...ranges } = app.store.state.ranges;
    const isOpen = values[0] === null && values[1] === null;
    app.store.update({ ranges: isOpen ? ranges : { ...ranges, [column.id]: [values[0], values[1]] }, page: 1 });
  };
  ends.forEach((field) => field.addEventListener("input", read));
  return {
    element: element("fieldset", { class: "range" }, element("legend", {}, isolatedText(title, 40)), element("div", { class: "row" }, ends[0], element("span", { "aria-hidden": "true" }, "–"), ends[1])),
    update(state) {
      const range = state.ranges[column.id] ?? [null, null];
      ends.forEach((field, at) => {
        const end = range[at];
        // What is being typed stays as it is typed.
        if (document.activeElement !== field) {
          field.value = end === null ? "" : String(Number((end * scale).toPrecision(15)));
        }
      });
    },
  };
}

/**
 * @param {App} app
 * @param {TableColumn} column
 * @returns {[number, number] | null}
 */
function finiteExtent(app, column) {
  let low = Infinity;
  let high = -Infinity;
  for (let run = 0; run < app.table.count; run += 1) {
    const value = column.number(run);
    if (Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low <= high ? [low, high] : null;
}

/**
 * Checkboxes for columns, by group.
 * @param {App} app
 * @param {TableColumn[]} columns
 * @param {(state: ViewState) => string[]} chosenIn
 * @param {(chosen: string[] | null) => void} choose null: as at first
 * @returns {Tool}
 */
export function createColumnChoice(app, columns, chosenIn, choose) {
  /** @type {Map<string, HTMLInputElement>} */
  const boxes = new Map();
  /** @param {string} id @param {boolean} checked */
  const change = (id, checked) => {
    const chosen = new Set(chosenIn(app.store.state));
    checked ? chosen.add(id) : chosen.delete(id);
    choose(columns.filter((column) => chosen.has(column.id)).map((column) => column.id));
  };
  const groups = Object.entries(GROUP_TITLES).map(([group, title]) => {
    const members = columns.filter((column) => column.group === group);
    const labels = members.map((column) => {
      const label = labelledCheckbox(isolatedText(column.title, 40), false, (checked) => change(column.id, checked));
      boxes.set(column.id, /** @type {HTMLInputElement} */ (label.querySelector("input")));
      return label;
    });
    return members.length === 0 ? null : element("fieldset", {}, element("legend", {}, title), ...labels);
  });
  const buttons = element("div", { class: "row" });
  buttons.append(
    actionButton("As at first", () => choose(null)),
    actionButton("All", () => choose(columns.map((column) => column.id))),
    actionButton("None", () => choose([])),
  );
  return {
    element: element("div", {}, buttons, element("div", { class: "choices" }, ...groups)),
    update(state) {
      const chosen = new Set(chosenIn(state));
      boxes.forEach((box, id) => (box.checked = chosen.has(id)));
    },
  };
}

/**
 * The ranges that are asked for, each with a button that takes it away.
 * @param {App} app
 * @returns {Tool}
 */
export function createChips(app) {
  const holder = element("ul", { class: "chips", "aria-label": "Ranges asked for" });
  return {
    element: holder,
    update(state) {
      const entries = Object.entries(state.ranges).flatMap(([id, range]) => {
        const column = app.table.column(id);
        return column ? [{ id, range, column }] : [];
      });
      holder.hidden = entries.length === 0;
      holder.replaceChildren(...entries.map(({ id, range, column }) => chip(app, id, range, column)));
    },
  };
}

/**
 * @param {App} app
 * @param {string} id
 * @param {[number | null, number | null]} range
 * @param {TableColumn} column
 */
function chip(app, id, range, column) {
  const [low, high] = range.map((end) => (end === null ? null : column.formatValue(end)));
  const text = `${shortText(column.title, 30)} ${low === null ? `≤ ${high}` : high === null ? `≥ ${low}` : `${low} – ${high}`}`;
  const remove = actionButton("×", () => {
    const { [id]: _, ...ranges } = app.store.state.ranges;
    app.store.update({ ranges, page: 1 });
    document.getElementById("run-search")?.focus();
  });
  remove.setAttribute("aria-label", `Remove the range ${text}`);
  return element("li", { class: "chip" }, element("bdi", {}, text), remove);
}

/**
 * How many runs and groups are ticked, and the link to compare them.
 * @param {App} app
 * @returns {Tool}
 */
export function createTickBar(app) {
  const text = element("span", {});
  const link = stateLink(app, { view: "compare" }, "Compare");
  link.classList.add("button", "primary");
  const none = actionButton("Untick all", () => {
    app.store.update({ ticks: [], hidden: [] });
    document.getElementById("run-search")?.focus();
  });
  const holder = element("div", { class: "tick-bar" }, text, link, none);
  return {
    element: holder,
    update(state) {
      const groups = state.ticks.filter((tick) => tick.startsWith("group:")).length;
      const runs = state.ticks.length - groups;
      holder.hidden = state.ticks.length === 0;
      text.textContent = [runs > 0 && plural(runs, "run"), groups > 0 && plural(groups, "group")].filter(Boolean).join(" and ") + " ticked";
    },
  };
}

/**
 * Which rows are shown, and buttons to the others.
 * @param {App} app
 * @param {number} size rows a page
 * @returns {{ element: HTMLElement, update: (state: ViewState, rows: number, noun: string) => void }}
 */
export function createPager(app, size) {
  const text = element("span", {});
  const previous = actionButton("Previous", () => app.store.update({ page: app.store.state.page - 1 }, true));
  const next = actionButton("Next", () => app.store.update({ page: app.store.state.page + 1 }, true));
  const all = actionButton("Show all", () => app.store.update({ all: !app.store.state.all, page: 1 }, true));
  return {
    element: element("nav", { class: "pager", "aria-label": "Pages of the table" }, text, previous, next, all),
    update(state, rows, noun) {
      const pages = Math.max(1, Math.ceil(rows / size));
      const page = Math.min(state.page, pages);
      this.element.hidden = rows <= size;
      text.textContent = state.all
        ? `All ${plural(rows, noun)}`
        : `${formatCount((page - 1) * size + 1)}–${formatCount(Math.min(page * size, rows))} of ${plural(rows, noun)}`;
      previous.disabled = state.all || page <= 1;
      next.disabled = state.all || page >= pages;
      all.textContent = state.all ? "Show pages" : "Show all";
    },
  };
}

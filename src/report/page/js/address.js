/**
 * The state of the view in the address, behind `#`: what a person would send to a colleague. Reading it never fails: what is
 * not understood is left out.
 */

/** @typedef {"runs" | "compare" | "run" | "history"} ViewName */
/**
 * @typedef {object} ViewState
 * @property {ViewName} view
 * @property {string} run the run of the view `run`, as `RunTable.reference` gives it
 * @property {string} query
 * @property {{ [column: string]: [number | null, number | null] }} ranges
 * @property {string[] | null} columns null: those that the data shows at first
 * @property {string} sort a column, or empty: the order of the data
 * @property {boolean} descending
 * @property {boolean} grouped
 * @property {string[]} open groups whose runs are shown
 * @property {string[]} ticks runs and groups to compare
 * @property {string[]} hidden of the ticks, those that are not drawn
 * @property {number} page from 1
 * @property {boolean} all every row instead of pages
 * @property {string} across column of the scatter's horizontal axis
 * @property {string} up column of the scatter's vertical axis
 * @property {string[] | null} axes columns of the parallel coordinates
 * @property {boolean} same whether the table of differences shows what does not differ
 */

const VIEWS = ["runs", "compare", "run", "history"];
const LONGEST_LIST = 10000;

/**
 * @returns {ViewState}
 */
function initialState() {
  return {
    view: "runs",
    run: "",
    query: "",
    ranges: {},
    columns: null,
    sort: "",
    descending: false,
    grouped: false,
    open: [],
    ticks: [],
    hidden: [],
    page: 1,
    all: false,
    across: "",
    up: "",
    axes: null,
    same: false,
  };
}

/**
 * @param {string} text
 * @returns {string}
 */
export function encodePart(text) {
  // Half of a surrogate pair cannot be encoded, and would throw.
  const whole = text.replace(/[\ud800-\udfff]/gu, "\ufffd");
  return encodeURIComponent(whole).replace(/%2F/g, "/").replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%20/g, "+");
}

/**
 * @param {string} text
 * @returns {string | null}
 */
function decodePart(text) {
  try {
    return decodeURIComponent(text.replace(/\+/g, " "));
  } catch {
    return null;
  }
}

/**
 * @param {ViewState} state
 * @returns {string} with the `#`
 */
export function encodeAddress(state) {
  /** @type {string[]} */
  const parts = [];
  /** @param {string} key @param {string} value */
  const add = (key, value) => parts.push(`${key}=${encodePart(value)}`);
  if (state.view === "run") {
    add("run", state.run);
  } else if (state.view !== "runs") {
    add("view", state.view);
  }
  if (state.query !== "") {
    add("q", state.query);
  }
  for (const [column, [low, high]] of Object.entries(state.ranges)) {
    add("range", `${low ?? ""}..${high ?? ""},${column}`);
  }
  if (state.sort !== "") {
    add("sort", (state.descending ? "-" : "") + state.sort);
  }
  addFlags(add, state);
  addList(add, "col", state.columns);
  addList(add, "open", state.open);
  addList(add, "tick", state.ticks);
  addList(add, "hide", state.hidden);
  addList(add, "axis", state.axes);
  return `#${parts.join("&")}`;
}

/**
 * @param {(key: string, value: string) => void} add
 * @param {ViewState} state
 */
function addFlags(add, state) {
  if (state.grouped) {
    add("group", "1");
  }
  if (state.all) {
    add("all", "1");
  } else if (state.page > 1) {
    add("page", String(state.page));
  }
  if (state.across !== "") {
    add("x", state.across);
  }
  if (state.up !== "") {
    add("y", state.up);
  }
  if (state.same) {
    add("same", "1");
  }
}

/**
 * An empty list that someone chose is not the same as no choice.
 * @param {(key: string, value: string) => void} add
 * @param {string} key
 * @param {string[] | null} items
 */
function addList(add, key, items) {
  if (items !== null && items.length === 0 && (key === "col" || key === "axis")) {
    add(key, "");
  }
  for (const item of items ?? []) {
    add(key, item);
  }
}

/**
 * @param {string} hash
 * @param {(column: string) => boolean} isColumn
 * @returns {ViewState}
 */
export function decodeAddress(hash, isColumn) {
  const state = initialState();
  for (const part of hash.replace(/^#/, "").split("&").slice(0, LONGEST_LIST)) {
    const at = part.indexOf("=");
    const value = at < 0 ? null : decodePart(part.slice(at + 1));
    if (value !== null) {
      readPart(state, part.slice(0, at), value, isColumn);
    }
  }
  return state;
}

/**
 * @param {ViewState} state
 * @param {string} key
 * @param {string} value
 * @param {(column: string) => boolean} isColumn
 */
function readPart(state, key, value, isColumn) {
  switch (key) {
    case "view":
      state.view = VIEWS.includes(value) ? /** @type {ViewName} */ (value) : state.view;
      break;
    case "run":
      state.view = "run";
      state.run = value;
      break;
    case "q":
      state.query = value;
      break;
    case "range":
      readRange(state, value, isColumn);
      break;
    case "sort":
      readSort(state, value, isColumn);
      break;
    case "page":
      state.page = /^[1-9]\d{0,6}$/.test(value) ? Number(value) : 1;
      break;
    case "x":
      state.across = isColumn(value) ? value : "";
      break;
    case "y":
      state.up = isColumn(value) ? value : "";
      break;
    default:
      readListOrFlag(state, key, value, isColumn);
  }
}

/**
 * @param {ViewState} state
 * @param {string} key
 * @param {string} value
 * @param {(column: string) => boolean} isColumn
 */
function readListOrFlag(state, key, value, isColumn) {
  if (key === "group" || key === "all" || key === "same") {
    state[key === "group" ? "grouped" : key] = value === "1";
  } else if (key === "col" || key === "axis") {
    const field = key === "col" ? "columns" : "axes";
    const list = state[field] ?? [];
    state[field] = isColumn(value) && value !== "name" && !list.includes(value) ? [...list, value] : list;
  } else if (key === "open" || key === "tick" || key === "hide") {
    const list = state[key === "tick" ? "ticks" : key === "hide" ? "hidden" : "open"];
    if (value !== "" && !list.includes(value)) {
      list.push(value);
    }
  }
}

/**
 * @param {ViewState} state
 * @param {string} value
 * @param {(column: string) => boolean} isColumn
 */
function readRange(state, value, isColumn) {
  const comma = value.indexOf(",");
  const column = value.slice(comma + 1);
  const ends = value.slice(0, Math.max(comma, 0)).split("..");
  if (ends.length !== 2 || !isColumn(column)) {
    return;
  }
  const [low, high] = ends.map((end) => (end.trim() === "" || !Number.isFinite(Number(end)) ? null : Number(end)));
  if (low !== null || high !== null) {
    state.ranges = { ...state.ranges, [column]: [low, high] };
  }
}

/**
 * @param {ViewState} state
 * @param {string} value
 * @param {(column: string) => boolean} isColumn
 */
function readSort(state, value, isColumn) {
  const descending = value.startsWith("-");
  const column = descending ? value.slice(1) : value;
  if (isColumn(column)) {
    state.sort = column;
    state.descending = descending;
  }
}

/** The report's data as a table: columns that give a run's value as text, as a number, and in sorting order. */

import { formatCount, formatMeanCount, formatNumber, formatShare, formatTime, decimalsFor, hashText, parseTime, shortText, toNumber, UNKNOWN } from "./format.js";

/** @typedef {import("../report-data").ReportData} ReportData */
/** @typedef {import("../report-data").Column} Column */
/** @typedef {import("../report-data").Commit} Commit */
/** @typedef {import("../report-data").Num} Num */

/** Names longer than this stand in an address as a hash. */
const LONG_NAME = 120;
/** Half of a surrogate pair, which no address can hold. */
const HALF_PAIR = /[\ud800-\udfff]/u;
const COLLATED = 400;
const collator = new Intl.Collator("en", { numeric: true });

/**
 * @param {string} a
 * @param {string} b
 */
function compareTexts(a, b) {
  return collator.compare(a.slice(0, COLLATED), b.slice(0, COLLATED)) || (a < b ? -1 : a > b ? 1 : 0);
}

/** One column: the values of all runs, and what can be asked of them. What is costly is made when it is first asked for. */
export class TableColumn {
  /**
   * @param {Column} column
   * @param {Commit[]} commits
   * @param {string[]} names of the runs
   */
  constructor(column, commits, names) {
    this.id = column.id;
    this.title = column.title;
    this.kind = column.kind;
    this.group = column.group;
    this.unit = column.unit;
    this.shown = column.shown;
    this.count = names.length;
    /** @private */
    this.names = names;
    /** @private */
    this.values = column.values;
    /** @private */
    this.commits = commits;
    /** Whether it has numbers that a range can be asked of. */
    this.numeric = this.kind === "number" || this.kind === "count" || this.kind === "share" || this.holdsNumbers();
    /** @private @type {{ keys: Float64Array, late: Uint8Array } | null} */
    this.order = null;
    /** @private @type {number | null} */
    this.decimals = null;
    /** @private @type {number | null} */
    this.maximum = null;
    /** @private @type {{ codes: ArrayLike<number>, texts: string[] } | null} */
    this.distinct = null;
  }

  /** @private */
  holdsNumbers() {
    return this.kind === "json" && "texts" in this.values && this.values.texts.every((text) => /^-?\d[\d.eE+-]*$/.test(text));
  }

  /**
   * The value as it is in the data; null if it is not known.
   * @param {number} run
   * @returns {Num | string}
   */
  raw(run) {
    if ("texts" in this.values) {
      return this.values.texts[this.values.codes[run]] ?? null;
    }
    return this.values.numbers[run] ?? null;
  }

  /**
   * The value as a number; NaN if it is not one.
   * @param {number} run
   * @returns {number}
   */
  number(run) {
    const raw = this.raw(run);
    if (typeof raw !== "string") {
      return raw ?? NaN;
    }
    return this.kind === "time" ? parseTime(raw) : this.numeric ? toNumber(/** @type {Num} */ (raw)) || Number(raw) : NaN;
  }

  /**
   * The whole value as text, for searching and for a look at one value; null if it is not known.
   * @param {number} run
   * @returns {string | null}
   */
  exact(run) {
    const raw = this.raw(run);
    if (raw === null) {
      return null;
    }
    if (this.kind === "commit") {
      return this.commits[Number(raw)]?.id ?? null;
    }
    return String(raw);
  }

  /**
   * The value as a cell shows it, not yet cut or made visible.
   * @param {number} run
   * @returns {string}
   */
  text(run) {
    const raw = this.raw(run);
    if (raw === null) {
      return UNKNOWN;
    }
    if (this.kind === "commit") {
      return this.commits[Number(raw)]?.id.slice(0, 8) ?? UNKNOWN;
    }
    if (this.kind === "time") {
      return formatTime(String(raw));
    }
    if (this.kind === "tag") {
      return shortTag(String(raw), this.names[run]);
    }
    return typeof raw === "number" ? this.formatValue(raw) : String(raw);
  }

  /**
   * A number as this column shows its numbers.
   * @param {number} value
   * @returns {string}
   */
  formatValue(value) {
    if (!Number.isFinite(value)) {
      return String(value);
    }
    if (this.kind === "share") {
      return formatShare(value, this.places());
    }
    if (this.kind === "count") {
      return formatCount(value);
    }
    if (this.kind === "time") {
      return new Date(value).toISOString().slice(0, 16).replace("T", " ");
    }
    return this.group === "config" || this.group === "seed" ? String(value) : formatNumber(value, this.places());
  }

  /**
   * A mean of this column's numbers: a count's may have decimals.
   * @param {number} value
   * @returns {string}
   */
  formatMean(value) {
    if (this.kind === "share") {
      return formatShare(value, 1);
    }
    return this.kind === "count" ? formatMeanCount(value, this.greatest() < 1000 ? 1 : 0) : formatNumber(value, this.places());
  }

  /** @private */
  finiteNumbers() {
    return Array.from({ length: this.count }, (_, run) => this.number(run)).filter(Number.isFinite);
  }

  /** @private */
  greatest() {
    this.maximum ??= this.finiteNumbers().reduce((most, value) => Math.max(most, value), 0);
    return this.maximum;
  }

  /** @private */
  places() {
    if (this.decimals === null) {
      const numbers = this.finiteNumbers();
      // Shares that are whole percentages need no decimals.
      this.decimals = this.kind === "share" ? (numbers.every((share) => Math.abs(share * 100 - Math.round(share * 100)) < 1e-9) ? 0 : 1) : decimalsFor(numbers);
    }
    return this.decimals;
  }

  /**
   * Keys to sort by. What is not finite is late (1), what is not known is later (2), whatever the direction.
   * @returns {{ keys: Float64Array, late: Uint8Array }}
   */
  sortOrder() {
    if (this.order === null) {
      const keys = new Float64Array(this.count);
      const late = new Uint8Array(this.count);
      const byText = !this.numeric && this.kind !== "time";
      const { codes, texts } = byText ? this.distinctTexts() : { codes: [], texts: [] };
      const ranks = new Float64Array(texts.length);
      texts.map((_, at) => at).sort((a, b) => compareTexts(texts[a], texts[b])).forEach((at, rank) => (ranks[at] = rank));
      for (let run = 0; run < this.count; run += 1) {
        const key = byText ? (codes[run] < 0 ? NaN : ranks[codes[run]]) : this.number(run);
        keys[run] = key;
        late[run] = Number.isFinite(key) ? 0 : this.raw(run) === null ? 2 : 1;
      }
      this.order = { keys, late };
    }
    return this.order;
  }

  /**
   * The different texts of the column, and the index of each run's (-1: not known).
   * @returns {{ codes: ArrayLike<number>, texts: string[] }}
   */
  distinctTexts() {
    if (this.distinct === null) {
      const codes = new Int32Array(this.count);
      /** @type {Map<string, number>} */
      const known = new Map();
      for (let run = 0; run < this.count; run += 1) {
        const text = this.exact(run);
        let code = text === null ? -1 : known.get(text);
        if (code === undefined) {
          code = known.size;
          known.set(/** @type {string} */ (text), code);
        }
        codes[run] = code;
      }
      this.distinct = { codes, texts: [...known.keys()] };
    }
    return this.distinct;
  }

  /** The heading: title and unit. */
  heading() {
    return this.unit === null ? this.title : `${this.title} (${this.unit})`;
  }
}

/**
 * `v2` for the second tag of a run, as `capture-hook log` shows it; a tag of another form stays as it is.
 * @param {string} tag
 * @param {string} name
 * @returns {string}
 */
function shortTag(tag, name) {
  const first = `capture/${name}`;
  return tag === first ? "v1" : tag.startsWith(`${first}@`) ? tag.slice(first.length + 1) : tag;
}

/** All runs and their columns, and the names by which addresses refer to them. */
export class RunTable {
  /** @param {ReportData} report */
  constructor(report) {
    this.report = report;
    this.names = report.runs.names;
    this.count = this.names.length;
    this.columns = report.runs.columns.map((column) => new TableColumn(column, report.commits, this.names));
    /** @private */
    this.byId = new Map(this.columns.map((column) => [column.id, column]));
    /** The runs' names as a column, for sorting. */
    this.nameColumn = new TableColumn(nameColumnOf(report), [], this.names);
    /** @private @type {Map<string, number> | null} */
    this.byName = null;
  }

  /**
   * @param {string} id
   * @returns {TableColumn | undefined}
   */
  column(id) {
    return id === "name" ? this.nameColumn : this.byId.get(id);
  }

  /**
   * The run of a reference in an address; -1 if the report does not hold it.
   * @param {string} reference
   * @returns {number}
   */
  find(reference) {
    if (this.byName === null) {
      this.byName = new Map();
      for (let run = this.count - 1; run >= 0; run -= 1) {
        this.byName.set(this.reference(run), run);
      }
    }
    return this.byName.get(reference) ?? -1;
  }

  /**
   * The run in an address: its name, or a hash of one that is long or that an address cannot hold.
   * @param {number} run
   * @returns {string}
   */
  reference(run) {
    const name = this.names[run];
    return name.length <= LONG_NAME && !HALF_PAIR.test(name) ? name : `~${hashText(name)}`;
  }

  /**
   * A run's name, short enough for a label.
   * @param {number} run
   * @param {number} [limit]
   */
  label(run, limit = 60) {
    return shortText(this.names[run], limit);
  }

  /**
   * The part of a run's name before the slash.
   * @param {number} run
   */
  experiment(run) {
    const name = this.names[run];
    return name.slice(0, Math.max(name.indexOf("/"), 0));
  }

  /**
   * Whether the run's data could not be read.
   * @param {number} run
   */
  isMissing(run) {
    return Boolean(this.report.details[run]?.missing);
  }
}

/**
 * @param {ReportData} report
 * @returns {Column}
 */
function nameColumnOf(report) {
  const codes = report.runs.names.map((_, run) => run);
  return { id: "name", title: "Run", kind: "text", group: "run", unit: null, shown: true, values: { texts: report.runs.names, codes } };
}

/**
 * The data in the page.
 * @returns {ReportData}
 */
export function readReport() {
  return JSON.parse(document.getElementById("report-data")?.textContent ?? "");
}

/**
 * What a report's page is made of: the JSON in `<script type="application/json" id="report-data">`, written by
 * `src/report/data.rs`. Everything in it is a stranger's text: the page only ever shows it as text.
 *
 * A number that is not finite is written as the text `NaN`, `Infinity` or `-Infinity`, as a recorder's JSON means it; what is
 * not known is `null`. Lists "by run" have one item for each run, in the order of `runs.names`.
 */

export type Num = number | null | "NaN" | "Infinity" | "-Infinity";

export interface ReportData {
  /** The version of this format. */
  format: 1;
  /** `dataset.title` of the settings as the revision has them, else `Simulation runs`. */
  title: string;
  /** `capture-hook 0.1.0`. */
  generator: string;
  /** What was asked for, so that `report --check` can make the page again. */
  /** `directories` is there, and true, if it shows directories that belong to no project. */
  request: { runs: string[]; experiment: string | null; rev: string | null; directories?: boolean };
  /** What was left out to keep the page small, each a whole sentence; shown at the top of the page. */
  notes: string[];
  runs: Runs;
  /** Configuration that all runs have in common: dotted key, value as JSON text. */
  common_config: [string, string][];
  commits: Commit[];
  /** Data versions over time, newest first. */
  history: HistoryEntry[];
  /** By run. */
  details: RunDetail[];
}

export interface Runs {
  /** `experiment/run_id`, by run. */
  names: string[];
  /**
   * By run: the number of its group, as `src/history/run_groups.rs` groups runs (experiment and whole configuration, seeds
   * aside); -1 if its configuration is not known. Configuration in the page can be cut or left out, so it cannot tell.
   */
  groups: number[];
  /** The columns of the table after the name, in their default order. */
  columns: Column[];
}

export interface Column {
  /** Unique, and kept in addresses: `reward`, `config:env.sigma`, `metric:mean_return`. */
  id: string;
  /** As shown: `Mean reward`, `env.sigma`. A name that comes from a run is a stranger's text. */
  title: string;
  kind: "text" | "number" | "count" | "share" | "time" | "commit" | "tag" | "json";
  /** `seed` columns are left out when runs are grouped by configuration. */
  group: "run" | "figure" | "metric" | "seed" | "config";
  unit: string | null;
  /** Whether it is shown at first. */
  shown: boolean;
  values: Values;
}

/**
 * By run. `texts` are written once and referred to by index (-1 is not known). In a `json` column each text is JSON; in a
 * `time` column it is RFC 3339 as recorded; a `commit` column's numbers are indexes into `commits`.
 */
export type Values = { numbers: Num[] } | { texts: string[]; codes: number[] };

export interface Commit {
  id: string;
  /** RFC 3339, the committer's. */
  time: string;
  author: string;
  subject: string;
}

export interface HistoryEntry {
  /** Index into `commits`. */
  commit: number;
  /** The data version: 32 hex digits and `.dir`. */
  version: string;
  /** Indexes of the report's runs that it introduced. */
  introduced: number[];
  /** How many runs it introduced in all, those that the report leaves out too; null if this clone cannot know. */
  introduced_count: number | null;
  /** Names of runs that it removed; at most 100, `removed_count` has all. */
  removed: string[];
  removed_count: number;
  /** Why it removed them, as `capture-hook remove --reason` wrote it into its message; null if it says nothing. */
  removal_reason: string | null;
  /** More than one parent. */
  is_merge: boolean;
  tags: string[];
}

export interface RunDetail {
  /** The name as a shell needs it typed. */
  quoted: string;
  /** Why there is nothing to draw, and what to type, if the run's data is not in this clone or cannot be read. */
  missing: { reason: string; command: string | null } | null;
  /** Median and quartiles over episodes; what the run lacks is not there. `reward` is summed since the episode's start. */
  curves: Curve[];
  paths: Paths | null;
  episodes: Episodes | null;
  validation: { ok: boolean; errors: string[]; warnings: string[]; ignored: string[] } | null;
  provenance: Provenance;
  /** Configuration that is neither in `common_config` nor a column of the table: dotted key, value as JSON text. */
  config: [string, string][];
}

export interface Curve {
  name: string;
  unit: string | null;
  /**
   * The sampled steps: `first`, `first + stride`, …, as many as `mid` has; the last one is at `last`, whatever the stride.
   * `low` and `high` are as long as `mid`, or empty if only the median is kept. A value that is not known is null.
   */
  first: number;
  stride: number;
  last: number;
  low: Num[];
  mid: Num[];
  high: Num[];
}

export interface Paths {
  x: { name: string; unit: string | null };
  y: { name: string; unit: string | null };
  /** How many episodes the run has; `lines` may hold fewer. */
  of: number;
  /** A position that is not known is null in both. */
  lines: { episode: number; succeeded: boolean | null; x: Num[]; y: Num[] }[];
}

export interface Episodes {
  /** How many there are; the lists hold the first of them. */
  of: number;
  /** The recorder's name of each episode, null for one without a summary; null as a whole if no name is known. */
  ids: (string | null)[] | null;
  index: number[];
  steps: number[];
  reward: Num[];
  /** 1, 0, or null if it is not known. */
  success: (0 | 1 | null)[];
  /** `terminated`, `truncated` or `open` for 0, 1, 2. */
  end: (0 | 1 | 2)[];
}

export interface Provenance {
  /**
   * Index into `commits`; null if the run is not committed (then `version` is null, too), or if this clone's history ends
   * before its commit.
   */
  commit: number | null;
  version: string | null;
  tags: string[];
  /** What recorded it; each is as the recorder wrote it. */
  simulator: string | null;
  simulator_version: string | null;
  code_version: string | null;
  schema_version: string | null;
  config_hash: string | null;
  /** SHA-256 of its manifest, from the commit's or tag's record. */
  manifest: string | null;
  files: number | null;
  bytes: number | null;
}

//! plume-nav-sim's formats, schema versions 0.1 and 1.0.0, as a declaration. Their columns and their order never change.

use std::sync::{Arc, LazyLock};

use super::column::{Bounds, Column, ColumnType, Equals, EqualsFunction, MetricKind};
use super::path::ValuePath;
use super::slot::FieldSlot;
use super::tree::CoreFields;
use super::{PlotColumns, RunSchema, StreamSchema};

/// The columns of plume-nav-sim's runs.
pub(super) static PLUME: LazyLock<Arc<RunSchema>> = LazyLock::new(|| Arc::new(plume_schema()));

/// The order in which a row's values are checked; faults of one row are reported in this order.
const STEP_ORDER: [&str; 14] = [
    "ts",
    "run_id",
    "episode_id",
    "step",
    "action",
    "reward",
    "terminated",
    "truncated",
    "agent_x",
    "agent_y",
    "distance_to_goal",
    "observation_summary",
    "seed",
    "schema_version",
];

const EPISODE_ORDER: [&str; 12] = [
    "run_id",
    "episode_id",
    "terminated",
    "truncated",
    "total_steps",
    "total_reward",
    "final_x",
    "final_y",
    "final_distance_to_goal",
    "duration_ms",
    "avg_step_time_ms",
    "schema_version",
];

fn plume_schema() -> RunSchema {
    let steps = CoreFields { count_name: "step", count_least: 1, needs_run_id: true };
    let episodes = CoreFields { count_name: "total_steps", count_least: 0, needs_run_id: true };
    let steps = in_order(step_columns(), &steps, &STEP_ORDER);
    RunSchema {
        name: Some("plume-nav-sim".into()),
        description: None,
        plot: PlotColumns { path: steps.find("agent_x").zip(steps.find("agent_y")), lines: line_columns(&steps) },
        episodes: in_order(episode_columns(&steps), &episodes, &EPISODE_ORDER),
        steps,
        reset_rows: false,
        text: String::new(),
        is_plume: true,
    }
}

fn line_columns(steps: &StreamSchema) -> Vec<usize> {
    steps.find("distance_to_goal").into_iter().collect()
}

fn in_order(columns: Vec<Column>, core: &CoreFields, order: &[&str]) -> StreamSchema {
    let slot_of = |name: &&str| {
        let own = core.names().into_iter().find(|(own, _)| own == name).map(|(_, slot)| slot);
        own.or_else(|| columns.iter().position(|column| column.name == **name).map(FieldSlot::of_column))
    };
    let order: Vec<FieldSlot> = order.iter().filter_map(slot_of).collect();
    let schema = StreamSchema::of_columns(columns, core).map(|schema| StreamSchema { order, ..schema });
    // A test reads every row of the corpus by it, so it is never empty.
    schema.unwrap_or_else(|_| StreamSchema::empty(core))
}

fn step_columns() -> Vec<Column> {
    let cell = |name: &str, axis: &str| Column {
        path: ValuePath::of_names(&["agent_position", axis]),
        unit: Some("cell".into()),
        ..Column::new(name, ColumnType::Int64)
    };
    vec![
        Column { unit: Some("s".into()), ..Column::new("ts", ColumnType::Float64) },
        Column::new("action", ColumnType::Int64),
        Column::new("reward", ColumnType::Float64),
        cell("agent_x", "x"),
        cell("agent_y", "y"),
        Column { bounds: POSITIVE, unit: Some("cell".into()), ..Column::new("distance_to_goal", ColumnType::Float64) },
        Column {
            shape: Some(Vec::new()),
            finite: false,
            nullable: true,
            is_unlimited: true,
            ..Column::new("observation_summary", ColumnType::Float64)
        },
        Column { nullable: true, ..Column::new("seed", ColumnType::Int64) },
    ]
}

const POSITIVE: Option<Bounds> = Some(Bounds::Float { min: 0.0, max: f64::INFINITY });

fn episode_columns(steps: &StreamSchema) -> Vec<Column> {
    let equals = |function, name: &str| steps.find(name).map(|column| Equals { function, column });
    let last = |name: &str| equals(EqualsFunction::Last, name);
    let cell = |name: &str, axis: &str| Column {
        path: ValuePath::of_names(&["final_position", axis]),
        unit: Some("cell".into()),
        equals: last(&format!("agent_{axis}")),
        ..Column::new(name, ColumnType::Int64)
    };
    let elapsed = |name: &str| Column {
        nullable: true,
        is_elapsed: true,
        unit: Some("ms".into()),
        ..Column::new(name, ColumnType::Float64)
    };
    vec![
        Column { equals: equals(EqualsFunction::Sum, "reward"), ..Column::new("total_reward", ColumnType::Float64) },
        cell("final_x", "x"),
        cell("final_y", "y"),
        Column {
            bounds: POSITIVE,
            nullable: true,
            unit: Some("cell".into()),
            equals: last("distance_to_goal"),
            metrics: vec![MetricKind::Mean, MetricKind::Min],
            ..Column::new("final_distance_to_goal", ColumnType::Float64)
        },
        elapsed("duration_ms"),
        elapsed("avg_step_time_ms"),
    ]
}

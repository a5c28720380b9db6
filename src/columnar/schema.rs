//! The columns of `steps.parquet` and `episodes.parquet`, the same for every run, so that one query reads all runs, and
//! how they are encoded. A change here changes the bytes of every run.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

const STEPS: &str = "message steps {
    required binary schema_version (STRING);
    required binary experiment (STRING);
    required binary run_id (STRING);
    required binary episode_id (STRING);
    required int64 episode_index;
    required int64 step;
    required double ts;
    required int64 action;
    required double reward;
    required boolean terminated;
    required boolean truncated;
    required int64 agent_x;
    required int64 agent_y;
    required double distance_to_goal;
    optional group observation_summary (LIST) { repeated group list { optional double element; } }
    optional int64 seed;
    optional binary extra (STRING);
}";

const EPISODES: &str = "message episodes {
    required binary schema_version (STRING);
    required binary experiment (STRING);
    required binary run_id (STRING);
    required binary episode_id (STRING);
    optional int64 episode_index;
    required boolean terminated;
    required boolean truncated;
    required int64 total_steps;
    required double total_reward;
    required int64 final_x;
    required int64 final_y;
    optional double final_distance_to_goal;
    optional double duration_ms;
    optional double avg_step_time_ms;
    optional binary extra (STRING);
}";

/// The `created_by` of every file. It does not hold capture-hook's version, because a run's parquet must not change
/// with it. The number grows when the bytes for the same rows change.
const CREATED_BY: &str = "capture-hook version 2.0.0 (build parquet)";

/// Returns the columns of `steps.parquet`.
pub(super) fn steps_schema() -> Result<Arc<SchemaDescriptor>> {
    Ok(Arc::new(SchemaDescriptor::new(Arc::new(parse_message_type(STEPS)?))))
}

/// Returns the columns of `episodes.parquet`.
pub(super) fn episodes_schema() -> Result<Arc<SchemaDescriptor>> {
    Ok(Arc::new(SchemaDescriptor::new(Arc::new(parse_message_type(EPISODES)?))))
}

/// The compression level of all pages, the fastest: a higher one would change the bytes of every run.
pub(super) const ZSTD_LEVEL: i32 = 1;

/// Returns how columns are encoded: only encodings that every reader in use supports, Spark's vectorised one included
/// (so no byte stream split); dictionaries for values that repeat.
pub(super) fn writer_properties() -> Result<Arc<WriterProperties>> {
    let column = |name: &str| ColumnPath::from(name);
    let list = ColumnPath::new(vec!["observation_summary".into(), "list".into(), "element".into()]);
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.into())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        // `write` ends row groups itself.
        .set_max_row_group_row_count(None)
        .set_column_dictionary_enabled(list, false)
        // Steps grow by one, so their deltas take almost no space.
        .set_column_encoding(column("step"), Encoding::DELTA_BINARY_PACKED);
    // Values that hardly ever repeat: a dictionary would be built in vain.
    for name in ["step", "ts", "extra", "total_reward", "duration_ms", "avg_step_time_ms"] {
        properties = properties.set_column_dictionary_enabled(column(name), false);
    }
    Ok(Arc::new(properties.build()))
}

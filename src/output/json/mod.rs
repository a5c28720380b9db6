//! What `--json` prints: frozen shapes, each with a JSON Schema in `docs/schemas/`.
//!
//! A field may be added; none is renamed, removed or given another meaning. Times are ISO 8601 in UTC, sizes bytes, shares
//! 0 to 1; what is not known is `null`, never left out. Numbers that JSON cannot hold are `null`.

mod data;
mod history;
mod runs;
mod setup;

pub use data::{
    GetJson, PublishJson, PullJson, PulledJson, PushJson, PushedVersionJson, VerifyFindingJson, VerifyJson,
};
pub use history::{
    CheckFindingJson, CheckJson, LogJson, LogRunJson, LogVersionJson, ResolveJson, StatusJson, StatusStepJson, TagJson,
};
pub use runs::{
    DiffJson, DiffKeyJson, DiffMetricsJson, DiffSeedsJson, IngestJson, IngestedRunJson, ManifestJson, PlotJson,
    RunJson, RunsJson, SeedsJson, SelectJson, ShowFileJson, ShowHistoryJson, ShowJson, ShowValidationJson,
    ValidateJson,
};
pub use setup::{
    CheckState, DemoJson, DemoStepJson, DoctorCheckJson, DoctorJson, InitJson, InitStepJson, InstallJson, SettingJson,
    SettingsJson, UninstallJson,
};

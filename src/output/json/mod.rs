//! The shapes that `--json` prints, each with a JSON Schema in `docs/schemas/`.
//!
//! They are frozen: a field may be added; none is renamed, removed or given another meaning (old names such as
//! `figures` and `here` stay). Times are ISO 8601 in UTC, sizes bytes, shares 0 to 1. What is not known is `null`,
//! never left out; so is a number that JSON cannot hold.

mod data;
mod doctor_report;
mod gc;
mod history;
mod runs;
mod schema;
mod setup;

pub use data::{
    AttestJson, AttestationFindingJson, AttestationSignatureJson, AttestedFileJson, EraseJson, ErasedRunJson,
    ExportFindingJson, ExportJson, ForgetJson, ForgottenRunJson, GetJson, PublishJson, PullJson, PulledJson, PushJson,
    PushedVersionJson, ReportJson, RunChangeJson, SharedObjectJson, VerifyAttestationJson, VerifyExportJson,
    VerifyFindingJson, VerifyJson,
};
pub use doctor_report::{
    DoctorReportJson, ReportedCache, ReportedCheck, ReportedHook, ReportedHooks, ReportedPrograms, ReportedProject,
    ReportedRepository, ReportedRuns, ReportedSetting, ReportedSystem,
};
pub use gc::{GcJson, GcOtherJson, GcRunJson, ObjectSumJson};
pub use history::{
    CheckErasedJson, CheckFindingJson, CheckJson, LogJson, LogRunJson, LogVersionJson, ResolveJson, StatusJson,
    StatusStepJson, TagJson,
};
pub use runs::{
    DiffColumnJson, DiffJson, DiffKeyJson, DiffManyColumnJson, DiffManyJson, DiffManyKeyJson, DiffManySeedsJson,
    DiffMetricsJson, DiffSeedsJson, ErasedJson, GroupKeyJson, GroupMetricJson, IngestJson, IngestedRunJson,
    LeftOutReason, LeftOutRunJson, ManifestJson, MeanJson, PlotJson, RemovedJson, RunGroupJson, RunJson, RunsJson,
    SeedsJson, SelectJson, ShowColumnsJson, ShowFileJson, ShowHistoryJson, ShowJson, ShowValidationJson, UnlistedJson,
    ValidateJson,
};
pub use schema::{
    ColumnState, SchemaAddJson, SchemaCheckJson, SchemaColumnJson, SchemaDiffColumnJson, SchemaDiffJson,
    SchemaInferJson, SchemaShowJson,
};
pub use setup::{
    CheckState, DemoJson, DemoStepJson, DoctorCheckJson, DoctorJson, InitJson, InitStepJson, InstallJson, SettingJson,
    SettingValueJson, SettingsJson, UninstallJson,
};

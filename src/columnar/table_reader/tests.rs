use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{BooleanArray, Float64Array, Int64Array, ListArray};
use arrow::datatypes::{Field, Int32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::columnar::TableFile;
use crate::run::RunKey;
use crate::support::stamp::FileStamp;

fn column(name: &str, values: ArrayRef) -> (String, ArrayRef) {
    (name.to_owned(), values)
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// Writes a file of these columns, in row groups of so many rows.
fn write_file(dir: &Path, run: &str, columns: Vec<(String, ArrayRef)>, group_rows: usize) -> TableFile {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(name, values.data_type().clone(), values.null_count() > 0))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, values)| values).collect()).unwrap();
    let run: RunKey = run.parse().unwrap();
    let path: PathBuf = dir.join(format!("{}.parquet", run.to_string().replace('/', "-")));
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let stamp = FileStamp::of_file(&File::open(&path).unwrap()).unwrap();
    TableFile { run, path, stamp }
}

fn open_table(files: Vec<TableFile>, columns: Option<&[&str]>) -> Result<Arc<RunTable>, TableError> {
    let columns: Option<Vec<String>> = columns.map(|columns| columns.iter().map(|name| (*name).to_owned()).collect());
    RunTable::open(files, columns.as_deref()).map(Arc::new)
}

fn read_all(table: &Arc<RunTable>, texts: TextLayout) -> Result<Vec<RecordBatch>, ArrowError> {
    TableReader::new(table, texts, Box::new(|| false)).collect()
}

fn column_of(batches: &[RecordBatch], name: &str) -> Vec<Option<i64>> {
    let values = |batch: &RecordBatch| {
        batch.column_by_name(name).unwrap().as_primitive::<arrow::datatypes::Int64Type>().iter().collect::<Vec<_>>()
    };
    batches.iter().flat_map(values).collect()
}

#[test]
fn rows_come_in_order_whatever_thread_read_them() {
    let dir = tempfile::tempdir().unwrap();
    // Files of several row groups, of one, and of none.
    let lengths: [i64; 6] = [1000, 0, 3, 5000, 1, 0];
    let mut next = 0;
    let mut files = Vec::new();
    for (at, length) in lengths.into_iter().enumerate() {
        files.push(write_file(dir.path(), &format!("e/r{at}"), vec![column("x", ints(next..next + length))], 300));
        next += length;
    }
    let table = open_table(files, None).unwrap();
    assert_eq!(table.rows(), u64::try_from(next).unwrap());
    for _ in 0..20 {
        let batches = read_all(&table, TextLayout::Plain).unwrap();
        assert_eq!(column_of(&batches, "x"), (0..next).map(Some).collect::<Vec<_>>());
    }
    // Its names are added, for the files have none.
    let batches = read_all(&table, TextLayout::Plain).unwrap();
    let last = batches.last().unwrap();
    assert_eq!(last.column_by_name("experiment").unwrap().as_string::<i32>().value(0), "e");
    assert_eq!(last.column_by_name("run_id").unwrap().as_string::<i32>().value(0), "r4");
}

#[test]
fn a_table_without_rows_or_files_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let empty = write_file(dir.path(), "e/r", vec![column("x", ints([]))], 10);
    let table = open_table(vec![empty], None).unwrap();
    assert_eq!(read_all(&table, TextLayout::Plain).unwrap(), []);
    assert_eq!(table.schema().field(0).name(), "x");
    let table = open_table(Vec::new(), None).unwrap();
    assert_eq!(read_all(&table, TextLayout::Plain).unwrap(), []);
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["experiment", "run_id"]);
}

#[test]
fn columns_are_united_by_name_and_what_a_run_lacks_is_null() {
    let dir = tempfile::tempdir().unwrap();
    let a = write_file(dir.path(), "e/a", vec![column("x", ints([1])), column("old", ints([2]))], 10);
    let b = write_file(dir.path(), "e/b", vec![column("new", ints([3])), column("x", ints([4]))], 10);
    let table = open_table(vec![a.clone(), b.clone()], None).unwrap();
    let names: Vec<(&str, bool)> =
        table.schema().fields().iter().map(|field| (field.name().as_str(), field.is_nullable())).collect();
    let expected = [("x", false), ("old", true), ("new", true), ("experiment", false), ("run_id", false)];
    assert_eq!(names, expected);
    let batches = read_all(&table, TextLayout::Plain).unwrap();
    assert_eq!(column_of(&batches, "x"), [Some(1), Some(4)]);
    assert_eq!(column_of(&batches, "old"), [Some(2), None]);
    assert_eq!(column_of(&batches, "new"), [None, Some(3)]);
    // In the order of the question, and no column twice.
    let table = open_table(vec![a, b], Some(&["run_id", "new", "x", "new"])).unwrap();
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["run_id", "new", "x"]);
    assert_eq!(column_of(&read_all(&table, TextLayout::Plain).unwrap(), "new"), [None, Some(3)]);
}

#[test]
fn a_column_of_two_types_is_an_error_unless_it_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let a = write_file(dir.path(), "e/a", vec![column("x", ints([1])), column("action", ints([2]))], 10);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let b = write_file(dir.path(), "f/b", vec![column("x", ints([1])), column("action", Arc::new(list))], 10);
    let error = open_table(vec![a.clone(), b.clone()], None).unwrap_err();
    assert_eq!(error.to_string(), "the column action is int64 in e/a and a list of int32 in f/b");
    assert_eq!(error.explain().code, "columns_disagree");
    assert!(open_table(vec![a.clone(), b.clone()], Some(&["x"])).is_ok());
    let error = open_table(vec![a, b], Some(&["acton"])).unwrap_err();
    assert_eq!(error.explain().hints, ["did you mean `action`?"]);
}

#[test]
fn texts_are_given_out_as_the_reader_keeps_them() {
    let dir = tempfile::tempdir().unwrap();
    let texts: ArrayRef =
        Arc::new(StringArray::from(vec![Some("a"), None, Some("one that is longer than twelve bytes")]));
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true]));
    let file = write_file(dir.path(), "e/r", vec![column("text", texts), column("flag", flags)], 10);
    let table = open_table(vec![file], None).unwrap();
    let plain = read_all(&table, TextLayout::Plain).unwrap();
    let views = read_all(&table, TextLayout::Views).unwrap();
    assert_eq!(plain[0].schema(), *table.schema());
    assert_eq!(views[0].column(0).data_type(), &DataType::Utf8View);
    assert_eq!(views[0].column_by_name("run_id").unwrap().data_type(), &DataType::Utf8View);
    let of_plain: Vec<Option<&str>> = plain[0].column(0).as_string::<i32>().iter().collect();
    let of_views: Vec<Option<&str>> = views[0].column(0).as_string_view().iter().collect();
    assert_eq!(of_plain, of_views);
}

#[test]
fn a_file_that_changes_is_an_error_and_never_other_rows() {
    let dir = tempfile::tempdir().unwrap();
    let file = write_file(dir.path(), "e/r", vec![column("x", ints(0..1000))], 100);
    let table = open_table(vec![file.clone()], None).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    write_file(dir.path(), "e/r", vec![column("x", ints(1000..2000))], 100);
    let error = read_all(&table, TextLayout::Plain).unwrap_err();
    assert!(error.to_string().contains("changed while it was read; read it again [run_changed]"), "{error}");
    // Cut off, with the stamp of what is there now.
    let bytes = std::fs::read(&file.path).unwrap();
    std::fs::write(&file.path, &bytes[..bytes.len() - 100]).unwrap();
    let stamp = FileStamp::of_file(&File::open(&file.path).unwrap()).unwrap();
    let error = open_table(vec![TableFile { stamp, ..file }], None).unwrap_err();
    assert_eq!(error.explain().code, "unreadable_parquet");
}

#[test]
fn an_interrupt_and_a_reader_that_is_dropped_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = write_file(dir.path(), "e/r", vec![column("x", ints(0..20_000))], 100);
    let table = open_table(vec![file], None).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut reader =
        TableReader::new(&table, TextLayout::Plain, Box::new(move || counter.fetch_add(1, Ordering::Relaxed) == 0));
    reader.next().unwrap().unwrap();
    std::thread::sleep(PATIENCE);
    assert!(reader.next().unwrap().unwrap_err().to_string().contains("interrupted"));
    assert!(reader.next().is_none() && asked.load(Ordering::Relaxed) == 1);
    // Its threads let go of the table.
    drop(reader);
    let waited = Instant::now();
    while Arc::strong_count(&table) > 1 {
        assert!(waited.elapsed() < Duration::from_secs(60), "a thread still reads");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn numbers_of_any_type_become_doubles() {
    let dir = tempfile::tempdir().unwrap();
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.5), None]));
    let file = write_file(dir.path(), "e/r", vec![column("x", ints([1, 2])), column("y", floats)], 10);
    let table = open_table(vec![file], None).unwrap();
    assert_eq!(read_numbers(&table, "x").unwrap(), [Some(1.0), Some(2.0)]);
    assert_eq!(read_numbers(&table, "y").unwrap(), [Some(0.5), None]);
    assert!(read_numbers(&table, "z").unwrap().is_empty());
}

#[test]
fn batches_of_a_row_group_are_about_as_long() {
    // A few rows need no room for many.
    assert_eq!((batch_rows(100, 10_000), batch_rows(0, 0)), (100, 1));
    assert_eq!((batch_rows(100_000, 10_000_000), batch_rows(262_144, 30_000_000)), (50_000, 65_536));
    // Long rows come in fewer, and never in less than a thousand.
    assert_eq!((batch_rows(10_000, 160 << 20), batch_rows(10_000, 10 << 30)), (1000, 1000));
}

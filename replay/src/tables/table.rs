//! One table as a Parquet file, written column by column.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use protocol::manifest::{Field, FieldKind};

use super::TablesError;

/// Rows that are held until they are written as a group. A group is what a reader can skip.
const GROUP_ROWS: usize = 131_072;
const ZSTD_LEVEL: i32 = 3;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Bool,
    /// An integer of so many bits.
    Int {
        bits: i8,
        is_signed: bool,
    },
    Float,
    Double,
    Text,
}

impl ColumnKind {
    pub(super) const U32: Self = Self::Int { bits: 32, is_signed: false };
    pub(super) const U64: Self = Self::Int { bits: 64, is_signed: false };
    pub(super) const I64: Self = Self::Int { bits: 64, is_signed: true };

    /// A field as people read it: scaled numbers are in units, all others are what they are.
    pub(super) fn of(field: &Field) -> Self {
        if field.scale > 1 {
            return Self::Double;
        }
        match field.kind {
            FieldKind::Bool => Self::Bool,
            FieldKind::F32 => Self::Float,
            kind => Self::Int { bits: 8 * kind.width() as i8, is_signed: kind.is_signed() },
        }
    }

    fn physical(self) -> (Physical, Option<LogicalType>) {
        match self {
            Self::Bool => (Physical::BOOLEAN, None),
            Self::Int { bits: 64, is_signed } => (Physical::INT64, Some(LogicalType::integer(64, is_signed))),
            Self::Int { bits, is_signed } => (Physical::INT32, Some(LogicalType::integer(bits, is_signed))),
            Self::Float => (Physical::FLOAT, None),
            Self::Double => (Physical::DOUBLE, None),
            Self::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        }
    }
}

/// A column by its name. A nullable one may have cells without a value.
#[derive(Debug, Clone)]
pub(super) struct ColumnSpec {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    pub(super) is_nullable: bool,
}

impl ColumnSpec {
    pub(super) fn new(name: &str, kind: ColumnKind) -> Self {
        Self { name: name.to_owned(), kind, is_nullable: false }
    }

    pub(super) fn nullable(name: &str, kind: ColumnKind) -> Self {
        Self { name: name.to_owned(), kind, is_nullable: true }
    }

    fn in_schema(&self) -> Result<Type, ParquetError> {
        let (physical, logical) = self.kind.physical();
        let repetition = if self.is_nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let builder = Type::primitive_type_builder(&self.name, physical);
        builder.with_repetition(repetition).with_logical_type(logical).build()
    }
}

/// Cells of a column that are not written yet.
#[derive(Debug)]
pub(super) struct Cells {
    values: Values,
    /// For nullable columns: 1 for a value, 0 for none.
    levels: Option<Vec<i16>>,
}

#[derive(Debug)]
enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Text(Vec<ByteArray>),
}

impl Cells {
    fn of(spec: &ColumnSpec) -> Self {
        let values = match spec.kind.physical().0 {
            Physical::BOOLEAN => Values::Bool(Vec::new()),
            Physical::INT32 => Values::Int32(Vec::new()),
            Physical::INT64 => Values::Int64(Vec::new()),
            Physical::FLOAT => Values::Float(Vec::new()),
            Physical::DOUBLE => Values::Double(Vec::new()),
            _ => Values::Text(Vec::new()),
        };
        Self { values, levels: spec.is_nullable.then(Vec::new) }
    }

    fn note(&mut self, level: i16) {
        if let Some(levels) = &mut self.levels {
            levels.push(level);
        }
    }

    /// A cell without a value.
    ///
    /// # Panics
    /// In a column that is not nullable.
    pub(super) fn null(&mut self) {
        self.levels.as_mut().expect("the column is nullable").push(0);
    }

    /// An integer; unsigned ones as the bits they are.
    pub(super) fn int(&mut self, number: i64) {
        self.note(1);
        match &mut self.values {
            Values::Bool(values) => values.push(number != 0),
            Values::Int32(values) => values.push(number as i32),
            Values::Int64(values) => values.push(number),
            Values::Double(values) => values.push(number as f64),
            Values::Float(_) | Values::Text(_) => unreachable!("integers go into columns of integers"),
        }
    }

    pub(super) fn number(&mut self, number: f64) {
        self.note(1);
        match &mut self.values {
            Values::Float(values) => values.push(number as f32),
            Values::Double(values) => values.push(number),
            _ => unreachable!("fractions go into columns of fractions"),
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.note(1);
        match &mut self.values {
            Values::Text(values) => values.push(ByteArray::from(text)),
            _ => unreachable!("text goes into columns of text"),
        }
    }

    /// The field of a row.
    pub(super) fn field(&mut self, field: &Field, row: &[u8]) {
        match ColumnKind::of(field) {
            ColumnKind::Float | ColumnKind::Double => self.number(field.value(row)),
            _ => self.int(field.read(row)),
        }
    }

    fn write(&mut self, column: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = self.levels.as_deref();
        match (&self.values, column) {
            (Values::Bool(values), ColumnWriter::BoolColumnWriter(writer)) => writer.write_batch(values, levels, None),
            (Values::Int32(values), ColumnWriter::Int32ColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)
            }
            (Values::Int64(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)
            }
            (Values::Float(values), ColumnWriter::FloatColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)
            }
            (Values::Double(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)
            }
            (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)
            }
            _ => unreachable!("cells and schema are made of the same list of columns"),
        }?;
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        match &mut self.values {
            Values::Bool(values) => values.clear(),
            Values::Int32(values) => values.clear(),
            Values::Int64(values) => values.clear(),
            Values::Float(values) => values.clear(),
            Values::Double(values) => values.clear(),
            Values::Text(values) => values.clear(),
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
    }
}

/// A table that grows. Until [`Table::finish`] it has another name on disk, and dropped before that it is removed.
pub(super) struct Table {
    path: PathBuf,
    unfinished: PathBuf,
    writer: Option<SerializedFileWriter<File>>,
    cells: Vec<Cells>,
    waiting: usize,
    rows: u64,
}

impl Table {
    pub(super) fn create(path: &Path, columns: &[ColumnSpec]) -> Result<Self, TablesError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let unfinished = path.with_file_name(name);
        let failed = |source| TablesError::Parquet { path: path.to_owned(), source };
        let fields = columns.iter().map(|column| column.in_schema().map(Arc::new)).collect::<Result<_, _>>();
        let schema = fields.and_then(|fields| Type::group_type_builder("worldlog").with_fields(fields).build());
        let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("the level is one of zstd's");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("worldlog ", env!("CARGO_PKG_VERSION")).to_owned());
        let file = File::create(&unfinished).map_err(|source| TablesError::Io {
            path: unfinished.clone(),
            operation: "creating",
            source,
        })?;
        let schema = Arc::new(schema.map_err(failed)?);
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).map_err(failed)?;
        let cells = columns.iter().map(Cells::of).collect();
        Ok(Self { path: path.to_owned(), unfinished, writer: Some(writer), cells, waiting: 0, rows: 0 })
    }

    /// Adds a row: `fill` is given all columns, and must put one cell into each.
    pub(super) fn row(&mut self, fill: impl FnOnce(&mut [Cells])) -> Result<(), TablesError> {
        fill(&mut self.cells);
        self.rows += 1;
        self.waiting += 1;
        if self.waiting == GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<(), TablesError> {
        if self.waiting == 0 {
            return Ok(());
        }
        self.waiting = 0;
        let Self { path, writer, cells, .. } = self;
        let writer = writer.as_mut().expect("a table is finished once");
        let mut write = || {
            let mut group = writer.next_row_group()?;
            for cells in cells.iter_mut() {
                let mut column = group.next_column()?.expect("the schema has a column for each");
                cells.write(column.untyped())?;
                column.close()?;
            }
            group.close()
        };
        write().map(drop).map_err(|source| TablesError::Parquet { path: path.clone(), source })
    }

    /// Writes what waits and gives the file its name. Returns rows and bytes.
    pub(super) fn finish(mut self) -> Result<(u64, u64), TablesError> {
        self.write_group()?;
        let writer = self.writer.take().expect("a table is finished once");
        let failed = |source| TablesError::Parquet { path: self.path.clone(), source };
        let file = writer.into_inner().map_err(failed)?;
        let io = |operation| {
            let path = self.path.clone();
            move |source| TablesError::Io { path, operation, source }
        };
        file.sync_all().map_err(io("syncing"))?;
        let bytes = file.metadata().map_err(io("measuring"))?.len();
        std::fs::rename(&self.unfinished, &self.path).map_err(io("renaming the finished file"))?;
        Ok((self.rows, bytes))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // A finished one has its own name by now; of any other nobody could read a part.
        let _ = std::fs::remove_file(&self.unfinished);
    }
}

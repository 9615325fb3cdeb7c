//! Tables, columns and indexes that a file wants: made where they are missing, altered where they are
//! others.

use koyalite_policy::TableName;

use super::super::columns::{self, StoredTable};
use super::super::definition::{ColumnDefinition, TableDefinition};
use super::super::error::{RegistryError, Standing};
use super::super::indexes;
use super::super::listed_values::NewValues;
use super::super::tables;
use super::Wanted;
use super::alter::{Altered, alter, refuse_duplicates};
use super::compare::{Property, changes, told};
use super::order::in_order;
use super::plan::Action;
use super::work::Work;

/// Columns whose lists of values are widened, each to be settled once the policies are changed, and
/// what is said of it.
pub(super) type Relisted<'a> = Vec<(NewValues<'a>, String)>;

/// What happens to one column of a table that exists.
enum Todo<'a> {
    Add(&'a StoredTable, &'a ColumnDefinition),
    Alter(Altered<'a>, Property),
}

/// Brings tables, columns and indexes about.
pub(super) async fn apply<'a>(
    work: &mut Work<'_>,
    wanted: Wanted<'a>,
) -> Result<Relisted<'a>, RegistryError> {
    let mut todos = Vec::new();
    for (definition, new) in wanted.definitions.iter().zip(&wanted.file.tables) {
        if let Some(stored) = wanted.stored(&definition.name) {
            let keyed = new.columns.iter().any(|column| column.primary_key);
            todos.extend(compare(work, stored, definition, keyed));
        }
    }
    let (later, now): (Vec<_>, Vec<_>) = todos.into_iter().partition(|todo| todo.waits(work));
    let mut relisted = Vec::new();
    for todo in now {
        relisted.extend(todo.run(work).await?);
    }
    create_tables(work, wanted).await?;
    for todo in later {
        relisted.extend(todo.run(work).await?);
    }
    for (place, definition) in wanted.definitions.iter().enumerate() {
        if let Some(stored) = wanted.stored(&definition.name) {
            apply_indexes(work, stored, definition)
                .await
                .map_err(|error| error.under(&format!("tables[{place}]")))?;
        }
    }
    Ok(relisted)
}

impl<'a> Wanted<'a> {
    /// The table of that name, as it was before.
    pub(super) fn stored(&self, name: &TableName) -> Option<&'a StoredTable> {
        self.existing.iter().find(|table| &table.name == name)
    }
}

/// What the columns of a table lack. `keyed`: the file itself names the primary key.
fn compare<'a>(
    work: &mut Work<'_>,
    stored: &'a StoredTable,
    definition: &'a TableDefinition,
    keyed: bool,
) -> Vec<Todo<'a>> {
    let (mut todos, mut impossible) = (Vec::new(), Vec::new());
    for wanted in &definition.columns {
        if wanted.primary_key && !keyed {
            // Nobody wrote it: it is what a new table would have.
            continue;
        }
        let Some(column) = stored.column(&wanted.name) else {
            todos.push(Todo::Add(stored, wanted));
            continue;
        };
        let altered = Altered {
            table: stored,
            column,
            wanted,
        };
        match changes(column, wanted) {
            Ok(changes) => todos.extend(changes.into_iter().map(|c| Todo::Alter(altered, c))),
            Err(why) => impossible.push(format!("{}.{} {why}", stored.name, column.name)),
        }
    }
    if !impossible.is_empty() {
        let reason = format!(
            "columns that exist are not altered where their data could be lost: {}; add a column \
             of another name, or drop the old one first",
            impossible.join("; ")
        );
        work.refuse(Standing::WouldLoseData, reason);
    }
    todos
}

impl<'a> Todo<'a> {
    /// Whether it refers to a table that is still to be made.
    fn waits(&self, work: &Work<'_>) -> bool {
        let wanted = match self {
            Self::Add(_, wanted) => wanted,
            Self::Alter(altered, Property::References) => altered.wanted,
            Self::Alter(..) => return false,
        };
        let target = wanted.references.as_ref().map(|r| &r.table);
        target.is_some_and(|target| work.is_new(target))
    }

    async fn run(
        self,
        work: &mut Work<'_>,
    ) -> Result<Option<(NewValues<'a>, String)>, RegistryError> {
        match self {
            Self::Add(stored, wanted) => add_column(work, stored, wanted).await?,
            Self::Alter(altered, Property::Values) => {
                let new = NewValues {
                    table: &altered.table.name,
                    column: altered.column,
                    values: altered.wanted.ty.values.as_deref().unwrap_or_default(),
                };
                new.widen(&mut work.change).await?;
                work.lift_mirror(&altered.table.name).await?;
                let detail = told(Property::Values, altered.column, altered.wanted);
                return Ok(Some((new, detail)));
            }
            Self::Alter(altered, change) => alter(work, altered, change).await?,
        }
        Ok(None)
    }
}

async fn add_column(
    work: &mut Work<'_>,
    stored: &StoredTable,
    wanted: &ColumnDefinition,
) -> Result<(), RegistryError> {
    let path = format!("{}.{}", stored.name, wanted.name);
    if !wanted.nullable && wanted.default.is_none() {
        let question = super::super::ddl::alter::count_rows(&work.project, &stored.name);
        let rows = work.count(&stored.name, question).await?;
        if rows > 0 {
            let reason = format!(
                "{rows} row(s) of {} would hold no value in {path}; give the column a default or \
                 make it nullable",
                stored.name
            );
            work.refuse(Standing::State, reason);
        }
    }
    tables::add_column_in(&mut work.change, &work.project, stored, wanted).await?;
    work.did(Action::AddColumn, path, &wanted.ty.to_string(), None);
    Ok(())
}

async fn create_tables(work: &mut Work<'_>, wanted: Wanted<'_>) -> Result<(), RegistryError> {
    let missing = wanted.definitions.iter();
    let missing = missing.filter(|table| work.is_new(&table.name)).cloned();
    let ordered = in_order(missing.collect());
    for definition in &ordered.tables {
        let place = wanted
            .definitions
            .iter()
            .position(|d| d.name == definition.name);
        let field = format!("tables[{}]", place.unwrap_or_default());
        tables::create_in(&mut work.change, &work.project, definition)
            .await
            .map_err(|error| error.under(&field))?;
        let columns: Vec<&str> = definition.columns.iter().map(|c| c.name.as_str()).collect();
        let detail = columns.join(", ");
        work.did(
            Action::CreateTable,
            definition.name.to_string(),
            &detail,
            None,
        );
    }
    if ordered.later.is_empty() {
        return Ok(());
    }
    let made = columns::load(work.change.conn(), Some(work.project.id)).await?;
    for (table, column) in &ordered.later {
        let table = made.iter().find(|made| &made.name == table);
        let found = table.and_then(|table| Some((table, table.column(&column.name)?)));
        let (table, found) =
            found.ok_or_else(|| RegistryError::internal("a table was not made"))?;
        let altered = Altered {
            table,
            column: found,
            wanted: column,
        };
        alter(work, altered, Property::References).await?;
    }
    Ok(())
}

/// Makes the indexes that a table lacks; one of the same name that is on other columns is made anew,
/// since it holds no data of its own.
async fn apply_indexes(
    work: &mut Work<'_>,
    stored: &StoredTable,
    definition: &TableDefinition,
) -> Result<(), RegistryError> {
    for (place, index) in definition.indexes.iter().enumerate() {
        let found = stored.indexes.iter().find(|found| index.means(found));
        if let Some(found) = found {
            if index.is_like(found) {
                continue;
            }
            super::prune::index(work, stored, found).await?;
        }
        if index.unique {
            refuse_duplicates(work, stored, &index.columns).await?;
        }
        let (change, project) = (&mut work.change, &work.project);
        let name = indexes::create_in(change, project, &stored.name, index)
            .await
            .map_err(|error| error.under(&format!("indexes[{place}]")))?;
        let columns: Vec<&str> = index.columns.iter().map(AsRef::as_ref).collect();
        let detail = match index.unique {
            true => format!("unique on {}", columns.join(", ")),
            false => format!("on {}", columns.join(", ")),
        };
        let target = format!("{}.{name}", stored.name);
        work.did(Action::CreateIndex, target, &detail, None);
    }
    Ok(())
}

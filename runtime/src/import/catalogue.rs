//! What a schema of a Postgres has, as its catalogue says. Expressions come as Postgres writes them when
//! the schema is the only one on the search path, so names of its own tables and types are bare.

use sqlx::{FromRow, PgConnection};

#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) tables: Vec<Table>,
    pub(super) columns: Vec<Column>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) indexes: Vec<Index>,
    pub(super) enums: Vec<Enum>,
    pub(super) policies: Vec<Policy>,
    pub(super) others: Vec<Other>,
}

#[derive(Debug, FromRow)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) row_security: bool,
    pub(super) partition: bool,
}

#[derive(Debug, FromRow)]
pub(super) struct Column {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) ty: String,
    /// What a domain is made of; else the type itself.
    pub(super) base: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// `a` or `d`, or empty.
    pub(super) identity: String,
    pub(super) generated: bool,
    /// A collation of its own, other than the type's and `C`.
    pub(super) collation: Option<String>,
}

#[derive(Debug, FromRow)]
pub(super) struct Constraint {
    pub(super) table: String,
    pub(super) name: String,
    /// `p`, `u`, `f`, `c` or `x`.
    pub(super) kind: String,
    pub(super) columns: Vec<String>,
    pub(super) to_schema: Option<String>,
    pub(super) to_table: Option<String>,
    pub(super) to_columns: Vec<String>,
    pub(super) on_delete: String,
    pub(super) on_update: String,
    pub(super) definition: String,
}

#[derive(Debug, FromRow)]
pub(super) struct Index {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) unique: bool,
    /// A plain B-tree over columns alone, in their usual order.
    pub(super) plain: bool,
    pub(super) columns: Vec<String>,
}

#[derive(Debug, FromRow)]
pub(super) struct Enum {
    pub(super) name: String,
    pub(super) labels: Vec<String>,
}

#[derive(Debug, FromRow)]
pub(super) struct Policy {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) permissive: bool,
    pub(super) roles: Vec<String>,
    pub(super) command: String,
    pub(super) using: Option<String>,
    pub(super) check: Option<String>,
}

/// Something that tables of ours do not have.
#[derive(Debug, FromRow)]
pub(super) struct Other {
    pub(super) subject: String,
    pub(super) what: String,
}

/// Reads all of it, on a connection that is used for this schema alone.
pub(super) async fn read(conn: &mut PgConnection, schema: &str) -> Result<Catalogue, sqlx::Error> {
    // For as long as the connection lives, which is here for nothing else.
    sqlx::query("SELECT set_config('search_path', quote_ident($1), false)")
        .bind(schema)
        .execute(&mut *conn)
        .await?;
    macro_rules! all {
        ($statement:expr) => {
            sqlx::query_as($statement)
                .bind(schema)
                .fetch_all(&mut *conn)
                .await?
        };
    }
    let found = Catalogue {
        tables: all!(TABLES),
        columns: all!(COLUMNS),
        constraints: all!(CONSTRAINTS),
        indexes: all!(INDEXES),
        enums: all!(ENUMS),
        policies: all!(POLICIES),
        others: all!(OTHERS),
    };
    match found.tables.is_empty() {
        true => Err(sqlx::Error::RowNotFound),
        false => Ok(found),
    }
}

const TABLES: &str = r#"SELECT c.relname::text AS name, c.relrowsecurity AS row_security,
        c.relispartition AS partition
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY c.relname"#;

const COLUMNS: &str = r#"SELECT c.relname::text AS "table", a.attname::text AS name,
        format_type(a.atttypid, a.atttypmod) AS ty,
        format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END,
            CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END) AS base,
        a.attnotnull OR t.typnotnull AS not_null, pg_get_expr(d.adbin, d.adrelid) AS "default",
        a.attidentity::text AS identity, a.attgenerated <> '' AS generated,
        CASE WHEN a.attcollation <> t.typcollation AND l.collname NOT IN ('C', 'POSIX', 'default')
            THEN l.collname::text END AS collation
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum"#;

const CONSTRAINTS: &str = r#"SELECT c.relname::text AS "table", k.conname::text AS name,
        k.contype::text AS kind,
        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.o) AS columns,
        tn.nspname::text AS to_schema, t.relname::text AS to_table,
        ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.o)
            AS to_columns,
        k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update,
        pg_get_constraintdef(k.oid) AS definition
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class t ON t.oid = k.confrelid
    LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r' AND k.contype IN ('p', 'u', 'f', 'c', 'x')
    ORDER BY c.relname, k.conname"#;

const INDEXES: &str = r#"SELECT c.relname::text AS "table", i.relname::text AS name,
        x.indisunique AS unique,
        m.amname = 'btree' AND x.indpred IS NULL AND x.indexprs IS NULL
            AND x.indnkeyatts = x.indnatts AND x.indisvalid
            AND NOT EXISTS (SELECT FROM unnest(x.indoption) o WHERE o <> 0)
            AND NOT EXISTS (SELECT FROM unnest(x.indclass) o JOIN pg_opclass p ON p.oid = o
                WHERE NOT p.opcdefault) AS plain,
        ARRAY(SELECT a.attname::text FROM unnest(x.indkey) WITH ORDINALITY u(n, o)
            JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.n ORDER BY u.o) AS columns
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_am m ON m.oid = i.relam
    WHERE n.nspname = $1 AND c.relkind = 'r'
        AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
    ORDER BY c.relname, i.relname"#;

const ENUMS: &str = r#"SELECT format_type(t.oid, NULL) AS name,
        array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
    WHERE $1::text IS NOT NULL GROUP BY t.oid"#;

const POLICIES: &str = r#"SELECT tablename::text AS "table", policyname::text AS name,
        permissive = 'PERMISSIVE' AS permissive, roles::text[] AS roles, cmd AS command,
        qual AS using, with_check AS check
    FROM pg_policies WHERE schemaname = $1 ORDER BY tablename, policyname"#;

const OTHERS: &str = r#"SELECT c.relname || ': trigger ' || t.tgname AS subject,
        'there are no triggers; do it in the function that writes' AS what
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND NOT t.tgisinternal
    UNION ALL
    SELECT c.relname::text, CASE c.relkind WHEN 'v' THEN 'a view: there are none'
        WHEN 'm' THEN 'a materialized view: there are none'
        WHEN 'p' THEN 'a partitioned table: make it one table'
        ELSE 'a foreign table: copy its rows into a table' END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind IN ('v', 'm', 'p', 'f')
    UNION ALL
    SELECT c.relname::text, 'it inherits from ' || p.relname || ': only its own columns and rows are its'
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r' AND NOT c.relispartition
    UNION ALL
    SELECT c.relname || ': rule ' || r.rulename, 'there are no rules'
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r'
    UNION ALL
    SELECT p.proname || '()', 'a function of the database: write it as a function of the project'
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = $1 AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    ORDER BY 1"#;

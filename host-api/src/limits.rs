//! Every cap of the host interfaces, named, with its reason.
//!
//! A guest that meets one of them gets a typed error that names the limit, never a trap. What a
//! node may spend on Postgres connections is in [`crate::db::NodeLimits`], because an operator may
//! change it.

use std::time::Duration;

/// Host calls one invocation may make unless its manifest says otherwise. A loop that asks row by row should be one query; a thousand
/// calls of 200 µs already are a fifth of a second of database time for one request.
pub const HOST_CALLS: u32 = 1000;

/// Rows a select answers, whatever the guest asks for. At 200 bytes a row this is 200 KB of JSON,
/// about what a caller at the edge can be sent at once; more is a matter of paging.
pub const SELECT_ROWS: u32 = 1000;

/// Rows of one insert. One statement holds its locks until it is done; this keeps it well under
/// [`STATEMENT_TIME`] on a small database.
pub const INSERT_ROWS: usize = 1000;

/// Rows a search for near ones answers: as many as a select.
pub const NEAREST_ROWS: u32 = SELECT_ROWS;

/// Rows that the host compares by itself, where the database has no pgvector. 384 numbers each, that is
/// 600 MB out of Postgres, about what [`STATEMENT_TIME`] lets through.
pub const SCANNED_VECTORS: u32 = 200_000;

/// Rows that count for a search by words too: each is read and taken apart, a second or two in all.
pub const HYBRID_ROWS: u32 = 50_000;

/// How far down each of its two lists goes: as many rows as it may answer.
pub const HYBRID_CANDIDATES: u32 = NEAREST_ROWS;

/// The words that are looked for; a longer text is a document.
pub const HYBRID_TEXT_BYTES: usize = 2048;

/// Columns that words are looked for in.
pub const HYBRID_COLUMNS: usize = 16;

/// Up to as many rows are compared one by one though there is a graph: 10 ms for 384 numbers each, always
/// right, and the graph is hardly faster where few of its rows count.
pub const EXACT_ROWS: u32 = 25_000;

/// Rows an update or a delete may answer. The same as [`SELECT_ROWS`]: an answer is an answer.
pub const RETURNED_ROWS: u32 = SELECT_ROWS;

/// JSON text of one insert or update. A quarter of the 16 MiB request body, so that a guest can not
/// pin more host memory by writing rows than by receiving a request.
pub const ROWS_BYTES: usize = 4 << 20;

/// JSON text of one answer. A guest holds it twice, as text and parsed, within 128 MiB.
pub const ANSWER_BYTES: usize = 8 << 20;

/// Text of a filter: as long as a policy may be. Longer ones are lists that belong into a parameter
/// (`= any($1)`).
pub const FILTER_BYTES: usize = koyalite_policy::parse::TEXT_BYTES_MAX;

/// Parameters of one filter. A list is one parameter, so this only stops generated chains.
pub const FILTER_PARAMS: usize = 256;

/// Bytes of all parameters of one filter together, lists included.
pub const PARAMS_BYTES: usize = 1 << 20;

/// Sort keys of one select. Postgres sorts by any number; no index serves more than a few.
pub const ORDER_KEYS: usize = 16;

/// Embeds of one select, those within others included. Each is a subquery for every row.
pub const EMBEDS: usize = 16;

/// How many embeds may stand within one another. With 1000 rows at each level an answer would be
/// over [`ANSWER_BYTES`] long before.
pub const EMBED_LEVELS: usize = 4;

/// Values worked out in one aggregation.
pub const MEASURES: usize = 64;

/// A page's cursor: the values of its last row's sort keys. It travels in URLs, which end at 8 KiB
/// in most places.
pub const CURSOR_BYTES: usize = 8 << 10;

/// Operations of one batch. They hold their locks until the last of them is done.
pub const BATCH_OPERATIONS: usize = 100;

/// How long a transaction may be open. It holds a connection and locks while its guest computes;
/// as long as one statement may take is what others are prepared to wait.
pub const TRANSACTION_TIME: Duration = STATEMENT_TIME;

/// JSON text of an event's payload. Receivers take a few dozen KiB as a matter of course; what is larger
/// is for them to fetch.
pub const EVENT_BYTES: usize = 256 << 10;

/// The type of an event, words and dots.
pub const EVENT_TYPE_BYTES: usize = 128;

/// Text and HTML of a message together. Mail programs cut what is longer than a fifth of this.
pub const EMAIL_BYTES: usize = 512 << 10;

/// Files that a message carries.
pub const ATTACHMENTS: usize = 10;

/// Bytes of these files together: a third more on the way, and mail servers stop at 20 to 25 MB.
pub const ATTACHMENTS_BYTES: usize = 10 << 20;

/// The subject of a message: a line of mail ends at 998 bytes, and most is not shown.
pub const SUBJECT_BYTES: usize = 500;

/// An idempotency key: as long as mail and payment services take them.
pub const IDEMPOTENCY_KEY_BYTES: usize = 256;

/// A file's path. With the escapes of a URL it still fits into any.
pub const FILE_PATH_BYTES: usize = 1024;

/// One name in a path, as long as file systems take it.
pub const FILE_SEGMENT_BYTES: usize = 255;

/// A file, where a project does not say otherwise.
pub const FILE_BYTES: u64 = 5 << 30;

/// The largest that a project may allow: what one object of S3 may have.
pub const FILE_BYTES_MAX: u64 = 5 << 40;

/// What is read of a file, and handed to a guest or a caller, at once.
pub const FILE_CHUNK_BYTES: u64 = 512 << 10;

/// What is written of a file at once, and so what an upload holds in memory: the smallest part that S3
/// takes. It takes ten thousand.
pub const FILE_PART_BYTES: usize = 5 << 20;

/// After so many parts they become twice as large: stores take ten thousand of one file.
pub const FILE_PARTS_OF_A_SIZE: u32 = 1_000;

/// Uploads that one instance may have open, each with [`FILE_PART_BYTES`] of the host's memory.
pub const OPEN_UPLOADS: usize = 4;

/// How long a resumable upload may be unfinished: overnight, and a morning to notice.
pub const UPLOAD_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What a resumable upload may lose when the server is killed: what arrived since is written down.
pub const RESUMABLE_PART_BYTES: u64 = 64 << 20;

/// Files in one part of a list.
pub const LISTED_FILES: u32 = 1000;

/// How often a write that meets another of the same file begins again.
pub const FILE_ATTEMPTS: u32 = 5;

/// How long a signed URL may be good.
pub const SIGNED_URL_TIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Columns named in one request, the same column twice included. Postgres tables end at 1600.
pub const COLUMNS: usize = 1600;

/// Values of one insert, rows times columns. The wire protocol counts a statement's binds in 16 bits;
/// the rest is for the binds of the policies.
pub const INSERT_VALUES: usize = 64_000;

/// Rows that a dry run explains one by one. More than a person reads; the statement itself goes over
/// all that it means.
pub const EXPLAINED_ROWS: usize = 100;

/// Rows of one table that verifying the mirror compares for one caller. As many as a node reads in a
/// second or two; the answer says where there are more.
pub const VERIFIED_ROWS: u64 = 100_000;

/// Disagreements that verifying the mirror names by key. One is enough to look for the reason.
pub const SHOWN_DISAGREEMENTS: usize = 20;

/// Time of one statement. Set as `statement_timeout` on each project's role, so that it holds for
/// every statement of a project, whichever way it came.
pub const STATEMENT_TIME: Duration = Duration::from_secs(5);

/// Characters of a guest's text that an error message repeats. Enough to find a typing mistake.
pub const ECHO_CHARS: usize = 64;

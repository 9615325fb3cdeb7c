//! Segment files: appended to, closed at a size, deleted by age and number. One JSON line a record.
//!
//! Names are UUIDs of version 7, so their order is the order of time. A process only appends to
//! segments that it has made: a line torn by a crash stays the last of its file, and is skipped.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use koyalite_policy::FunctionName;
use uuid::Uuid;

use super::limits::RecordLimits;
use super::line::{RecordLine, Stored};

const EXTENSION: &str = "jsonl";

/// The folder of segments and the one being written.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    limits: RecordLimits,
    current: Mutex<Option<Current>>,
    /// Projects that were deleted since the start. Their ids come never again.
    deleted: RwLock<HashSet<Uuid>>,
}

#[derive(Debug)]
struct Current {
    file: File,
    bytes: u64,
}

impl Segments {
    pub(super) fn open(dir: &Path, limits: RecordLimits) -> io::Result<Segments> {
        fs::create_dir_all(dir)?;
        Ok(Segments {
            dir: dir.to_owned(),
            limits,
            current: Mutex::new(None),
            deleted: RwLock::default(),
        })
    }

    /// Appends whole lines. Blocks.
    pub(super) fn append(&self, lines: Vec<u8>) -> io::Result<()> {
        let mut guard = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out, so that after a failure, perhaps in the middle of a line, nothing more is
        // appended to the same file.
        let mut current = match guard.take() {
            Some(current) if current.bytes < self.limits.segment_bytes_max => current,
            _ => self.start()?,
        };
        current.file.write_all(&lines)?;
        current.bytes += lines.len() as u64;
        *guard = Some(current);
        Ok(())
    }

    /// The last lines of one function, oldest first. Blocks.
    pub(super) fn last_lines(
        &self,
        project: Uuid,
        function: &FunctionName,
        limit: usize,
    ) -> Vec<RecordLine> {
        let mut found = Vec::new();
        for path in self.paths().unwrap_or_default().iter().rev() {
            // One that retention has just deleted is simply no longer there.
            let bytes = fs::read(path).unwrap_or_default();
            let lines = bytes.split(|b| *b == b'\n').rev();
            let wanted = lines.filter_map(|line| parse(line, project, function));
            found.extend(wanted.take(limit - found.len()));
            if found.len() >= limit {
                break;
            }
        }
        found.reverse();
        found
    }

    /// Keeps no further line of the project, where the whole of it goes.
    pub(super) fn refuse(&self, project: Uuid, function: Option<&FunctionName>) {
        if function.is_none() {
            let mut deleted = self.deleted.write().unwrap_or_else(PoisonError::into_inner);
            deleted.insert(project);
        }
    }

    /// Whether lines of the project are kept.
    pub(super) fn takes(&self, project: Uuid) -> bool {
        let deleted = self.deleted.read().unwrap_or_else(PoisonError::into_inner);
        !deleted.contains(&project)
    }

    /// Writes the segments again that have such lines, without them. Nothing is appended meanwhile.
    /// Blocks.
    pub(super) fn remove(&self, gone: impl Fn(&Stored) -> bool) -> io::Result<()> {
        let mut guard = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // The next line begins another segment.
        *guard = None;
        for path in self.paths()? {
            let bytes = fs::read(&path)?;
            let stays = |line: &&[u8]| !serde_json::from_slice(line).is_ok_and(|line| gone(&line));
            let kept: Vec<u8> = bytes
                .split_inclusive(|b| *b == b'\n')
                .filter(stays)
                .collect::<Vec<_>>()
                .concat();
            match kept.len() {
                0 => fs::remove_file(&path)?,
                length if length == bytes.len() => {}
                _ => replace(&path, &kept)?,
            }
        }
        Ok(())
    }

    fn start(&self) -> io::Result<Current> {
        self.retire()?;
        let path = self.dir.join(format!("{}.{EXTENSION}", Uuid::now_v7()));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        Ok(Current { file, bytes: 0 })
    }

    /// Deletes what is too old or too many, counting the segment that is about to be made.
    fn retire(&self) -> io::Result<()> {
        let paths = self.paths()?;
        let too_many = (paths.len() + 1).saturating_sub(self.limits.segments_max);
        let oldest = SystemTime::now().checked_sub(self.limits.retention);
        for (index, path) in paths.iter().enumerate() {
            let written = fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .ok();
            if index < too_many || written < oldest {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// All segments, oldest first.
    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == EXTENSION)
            {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// Puts other bytes in the place of a file's. Its age stays: retention goes by it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = fs::metadata(path)?.modified()?;
    let aside = path.with_extension("rewritten");
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.set_modified(written)?;
    fs::rename(&aside, path)
}

/// A line of the wanted function; anything else, torn lines included, is nothing.
fn parse(line: &[u8], project: Uuid, function: &FunctionName) -> Option<RecordLine> {
    let stored: Stored = serde_json::from_slice(line).ok()?;
    (stored.project == project && stored.function == *function).then_some(stored.line)
}

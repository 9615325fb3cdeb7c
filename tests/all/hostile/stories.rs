//! The attacks as data: what is called, with what, and how it ends.

use bytes::Bytes;
use futures::stream;
use http::Method;

use crate::support::Project;

/// One attack.
pub(super) struct Story {
    pub(super) path: &'static str,
    sends: Sends,
    pub(super) ends: Ends,
}

/// What a caller sends.
#[derive(Clone, Copy)]
enum Sends {
    Nothing,
    /// Two mebibytes in pieces, with no length told.
    Pieces,
}

/// How a call may end. An overloaded node may always say so.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    /// With one of these problems.
    Problem(&'static [(u16, &'static str)]),
    /// With a whole answer of the function's.
    Answer(u16),
    /// With an answer that breaks off.
    Cut,
    /// Either with a whole answer or with a problem: a race between the two is what is tried.
    Either(u16, (u16, &'static str)),
}

const CPU: Ends = Ends::Problem(&[(504, "cpu_limit")]);
/// A guest that goes to the host again and again waits as much as it works: what comes first ends it.
const STORM: Ends = Ends::Problem(&[(504, "cpu_limit"), (504, "wall_limit")]);
const TRAPPED: Ends = Ends::Problem(&[(500, "guest_trapped")]);
const GAVE_UP: Ends = Ends::Problem(&[(500, "guest_error")]);

const fn story(path: &'static str, ends: Ends) -> Story {
    Story {
        path,
        sends: Sends::Nothing,
        ends,
    }
}

pub(super) const STORIES: &[Story] = &[
    story("/hostile/spin", CPU),
    story("/hostile/spin-in-callback", CPU),
    story("/hurried/poll-storm", STORM),
    story("/hurried/sleep", Ends::Problem(&[(504, "wall_limit")])),
    story("/patient/grow", Ends::Problem(&[(500, "memory_limit")])),
    story("/hostile/recurse", TRAPPED),
    story("/patient/subtasks", TRAPPED),
    story("/hostile/linger", Ends::Answer(200)),
    story("/hostile/linger-busy", Ends::Answer(200)),
    story("/hostile/panic-in-drop", TRAPPED),
    story("/hostile/panic-after", Ends::Answer(200)),
    story("/patient/log-lines", Ends::Either(200, (504, "cpu_limit"))),
    story("/hostile/random", CPU),
    story("/hostile/call-self", Ends::Answer(502)),
    story("/patient/huge-header", GAVE_UP),
    story("/patient/many-headers", GAVE_UP),
    Story {
        path: "/hostile/never-read",
        sends: Sends::Pieces,
        ends: Ends::Answer(200),
    },
    Story {
        path: "/patient/answer-first",
        sends: Sends::Pieces,
        ends: Ends::Answer(200),
    },
    story("/table", TRAPPED),
    story("/memories", Ends::Problem(&[(500, "memory_limit")])),
    story("/hostile/drip", Ends::Cut),
    story("/hostile/torrent", Ends::Cut),
    story("/patient-02/leak-handles", TRAPPED),
    story("/patient-02/leak-headers", TRAPPED),
    story("/hostile-02/poll-storm", STORM),
    story("/hostile-02/trailers", Ends::Answer(200)),
    story(
        "/patient-02/print-lines",
        Ends::Either(200, (504, "cpu_limit")),
    ),
    Story {
        path: "/hostile-02/never-read",
        sends: Sends::Pieces,
        ends: Ends::Answer(200),
    },
];

/// What became of one call.
enum Outcome {
    AsTold,
    Overloaded,
    Mistake(String),
}

impl Story {
    /// Tells it `calls` times at once; what was wrong, if anything.
    pub(super) async fn told(&self, project: &Project<'_>, calls: usize) -> Option<String> {
        let outcomes = (0..calls).map(|_| self.once(project));
        let outcomes = futures::future::join_all(outcomes).await;
        let mut as_told = 0;
        for outcome in outcomes {
            match outcome {
                Outcome::AsTold => as_told += 1,
                Outcome::Overloaded => {}
                Outcome::Mistake(mistake) => {
                    let log = self.log(project).await;
                    return Some(format!("{}: {mistake}\n{log}", self.path));
                }
            }
        }
        (as_told == 0).then(|| format!("{}: nobody got an answer", self.path))
    }

    /// The end of the function's log.
    async fn log(&self, project: &Project<'_>) -> String {
        let function = self.path.split('/').nth(1).unwrap_or_default();
        let path = format!("/functions/{function}/logs?limit=20");
        project.control(Method::GET, &path).send().await.text()
    }

    async fn once(&self, project: &Project<'_>) -> Outcome {
        let call = match self.sends {
            Sends::Nothing => project.call(Method::GET, self.path),
            Sends::Pieces => {
                let piece = Bytes::from_static(&[7; 64 * 1024]);
                let pieces = std::iter::repeat_n(piece, 32);
                project
                    .call(Method::POST, self.path)
                    .stream(stream::iter(pieces))
            }
        };
        let answer = match (self.ends, call.open_or_broken().await) {
            (_, Some(opened)) => opened,
            // Who answers before the request was read may close on what is still being sent.
            (Ends::Answer(_), None) if matches!(self.sends, Sends::Pieces) => {
                return Outcome::AsTold;
            }
            (_, None) => return Outcome::Mistake("the connection broke".to_owned()),
        };
        let status = answer.status();
        let answer = match (self.ends, answer.whole_or_cut().await) {
            (Ends::Cut, Err(_)) if status == 200 => return Outcome::AsTold,
            (Ends::Answer(_), Err(_)) if matches!(self.sends, Sends::Pieces) => {
                return Outcome::AsTold;
            }
            (_, Err(cut)) => return Outcome::Mistake(format!("{status}, cut: {cut}")),
            (_, Ok(answer)) => answer,
        };
        if answer.check_problem(503, "overloaded").is_ok() {
            return match answer.header("retry-after") {
                "" => Outcome::Mistake("overloaded, without retry-after".to_owned()),
                _ => Outcome::Overloaded,
            };
        }
        let problem = |(status, code): &(u16, &str)| answer.check_problem(*status, code).is_ok();
        let own =
            |status| answer.status == status && answer.header("koyalite-source") == "function";
        let as_told = match self.ends {
            Ends::Problem(problems) => problems.iter().any(problem),
            Ends::Answer(status) => own(status),
            Ends::Either(status, other) => own(status) || problem(&other),
            Ends::Cut => false,
        };
        match as_told {
            true => Outcome::AsTold,
            false => Outcome::Mistake(format!("{} {}", answer.status, answer.text())),
        }
    }
}

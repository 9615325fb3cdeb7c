//! `server-timing`: what an answer has cost, for those who may deploy the function. Nobody else learns
//! how long the host worked on a caller's behalf.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use koyalite_host_api::Used;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds what was used until now: for an answer in one piece all of it, for a stream what came before
/// its first byte. `length` is the answer's, where it is known.
pub(super) fn add(headers: &mut HeaderMap, used: Used, length: Option<u64>) {
    if let Ok(value) = HeaderValue::try_from(written(used, length)) {
        headers.append(SERVER_TIMING, value);
    }
}

fn written(used: Used, length: Option<u64>) -> String {
    let Used {
        cpu,
        memory_bytes,
        host,
        host_calls,
        bytes_in,
        bytes_out,
    } = used;
    let (cpu, host) = (milliseconds(cpu), milliseconds(host));
    let bytes_out = length.unwrap_or(bytes_out);
    format!(
        "cpu;dur={cpu:.3}, host;dur={host:.3};desc=\"calls: {host_calls}\", \
         memory;desc=\"{memory_bytes} bytes\", in;desc=\"{bytes_in} bytes\", \
         out;desc=\"{bytes_out} bytes\""
    )
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_has_its_place() {
        let used = Used {
            cpu: Duration::from_micros(1234),
            memory_bytes: 1_048_576,
            host: Duration::from_millis(2),
            host_calls: 3,
            bytes_in: 4,
            bytes_out: 0,
        };
        assert_eq!(
            written(used, Some(5)),
            "cpu;dur=1.234, host;dur=2.000;desc=\"calls: 3\", memory;desc=\"1048576 bytes\", \
             in;desc=\"4 bytes\", out;desc=\"5 bytes\""
        );
    }
}

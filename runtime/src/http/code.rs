//! Every error code that an answer can carry, with its status and title: the one table.
//!
//! Codes are part of the public interface: a name never changes its meaning, and callers match on
//! it. Titles are the same for every occurrence; what happened this time is the problem's detail.

use http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $status:ident $title:literal;)*) => {
        /// A stable name for a kind of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// All codes, for documentation and tests.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The status that always goes with this code.
            pub const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            /// A short summary for people.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    // The request itself.
    BadRequest          "bad_request"          BAD_REQUEST "The request cannot be understood";
    BadPath             "bad_path"             BAD_REQUEST "The path is not acceptable";
    BadFraming          "bad_framing"          BAD_REQUEST "The request can be read in two ways";
    BodyTooLarge        "body_too_large"       PAYLOAD_TOO_LARGE "The request body is too large";
    BodyIncomplete      "body_incomplete"      BAD_REQUEST "The request body ended early";
    MethodNotAllowed    "method_not_allowed"   METHOD_NOT_ALLOWED "The method is not allowed here";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The content type is not understood";
    InvalidJson         "invalid_json"         BAD_REQUEST "The JSON is malformed";
    InvalidQuery        "invalid_query"        BAD_REQUEST "The query string is not acceptable";
    Unconfirmed         "unconfirmed"          BAD_REQUEST "Say that it is meant";
    InvalidField        "invalid_field"        BAD_REQUEST "A field has an unacceptable value";
    UnknownField        "unknown_field"        BAD_REQUEST "A field is not known";
    InvalidName         "invalid_name"         BAD_REQUEST "A name is not acceptable";
    InvalidManifest     "invalid_manifest"     BAD_REQUEST "The manifest is not acceptable";
    InvalidPolicy       "invalid_policy"       BAD_REQUEST "The policy is not acceptable";
    InvalidSchema       "invalid_schema"       BAD_REQUEST "The tables are not acceptable";

    // Who asks.
    Unauthorized        "unauthorized"         UNAUTHORIZED "A token is needed";
    InvalidToken        "invalid_token"        UNAUTHORIZED "The token is not accepted";
    ExpiredToken        "expired_token"        UNAUTHORIZED "The token has expired";
    WrongCredentials    "wrong_credentials"    UNAUTHORIZED "E-mail and password do not fit";
    SessionOver         "session_over"         UNAUTHORIZED "The session is over";
    TooManyRequests     "too_many_requests"    TOO_MANY_REQUESTS "That was tried too often";
    Forbidden           "forbidden"            FORBIDDEN "This token does not allow that";

    // What is asked for.
    UnknownRoute        "unknown_route"        NOT_FOUND "Nothing is served here";
    UnknownProject      "unknown_project"      NOT_FOUND "There is no such project";
    UnknownFunction     "unknown_function"     NOT_FOUND "There is no such function";
    UnknownVersion      "unknown_version"      NOT_FOUND "There is no such version";
    UnknownDeployment   "unknown_deployment"   NOT_FOUND "There is no such deployment";
    UnknownTable        "unknown_table"        NOT_FOUND "There is no such table";
    UnknownColumn       "unknown_column"       NOT_FOUND "There is no such column";
    UnknownIndex        "unknown_index"        NOT_FOUND "There is no such index";
    UnknownPolicy       "unknown_policy"       NOT_FOUND "There is no such policy";
    UnknownSecret       "unknown_secret"       NOT_FOUND "There is no such secret";
    UnknownApiKey       "unknown_api_key"      NOT_FOUND "There is no such API key";
    UnknownProvider     "unknown_provider"     NOT_FOUND "There is no such identity provider";
    UnknownSchedule     "unknown_schedule"     NOT_FOUND "There is no such scheduled task";
    UnknownRun          "unknown_run"          NOT_FOUND "There is no such run";
    UnknownUser         "unknown_user"         NOT_FOUND "There is no such user";
    UnknownRole         "unknown_role"         NOT_FOUND "There is no such role";
    UnknownMember       "unknown_member"       NOT_FOUND "There is no such member";
    UnknownToken        "unknown_token"        NOT_FOUND "There is no such token";
    UnknownSender       "unknown_sender"       NOT_FOUND "There is no such sender";
    UnknownTemplate     "unknown_template"     NOT_FOUND "There is no such template";
    UnknownMessage      "unknown_message"      NOT_FOUND "There is no such message";
    UnknownSuppression  "unknown_suppression"  NOT_FOUND "That address is not suppressed";
    UnknownEndpoint     "unknown_endpoint"     NOT_FOUND "There is no such endpoint";
    UnknownDelivery     "unknown_delivery"     NOT_FOUND "There is no such delivery";
    UnknownFile         "unknown_file"         NOT_FOUND "There is no such file";
    UnknownUpload       "unknown_upload"       NOT_FOUND "There is no such upload";
    FunctionDisabled    "function_disabled"    NOT_FOUND "The function is switched off";
    NotCallable         "not_callable"         NOT_FOUND "The function does not answer HTTP";
    RateLimited         "rate_limited"         TOO_MANY_REQUESTS "Too many requests";
    WrongRegion         "wrong_region"         MISDIRECTED_REQUEST "The function lives in another region";

    // What stands in the way.
    AlreadyExists       "already_exists"       CONFLICT "That name is taken";
    Conflict            "conflict"             CONFLICT "The current state does not allow that";
    PreconditionFailed  "precondition_failed"  PRECONDITION_FAILED "It was changed meanwhile";
    InUse               "in_use"               CONFLICT "Something still depends on that";
    WouldLoseData       "would_lose_data"      CONFLICT "That change would lose data";
    KeyReused           "idempotency_key_reused" CONFLICT "That key was used for something else";
    KeyInFlight         "idempotency_key_in_flight" CONFLICT "The same is being done";
    SchemaChanged       "schema_changed"       CONFLICT "The tables are not as they were planned for";
    NotMirrorable       "not_mirrorable"       CONFLICT "Postgres cannot enforce that policy";
    NothingToRollBack   "nothing_to_roll_back" CONFLICT "There is no earlier deployment";

    // Files.
    InvalidPath         "invalid_path"         BAD_REQUEST "The file's path is not acceptable";
    InvalidRange        "invalid_range"        RANGE_NOT_SATISFIABLE "The file has no such part";
    FileExists          "file_exists"          CONFLICT "There is such a file";
    FileTooLarge        "file_too_large"       PAYLOAD_TOO_LARGE "The file is too large";
    StorageQuota        "storage_quota"        INSUFFICIENT_STORAGE "The project has no room for that";
    TypeRefused         "type_refused"         UNSUPPORTED_MEDIA_TYPE "Files of that type are not taken";
    InvalidUrl          "invalid_url"          FORBIDDEN "The signed URL is not accepted";
    UrlUsed             "url_used"             CONFLICT "The signed URL was used";

    // Components.
    ComponentTooLarge   "component_too_large"  PAYLOAD_TOO_LARGE "The component is too large";
    NotWasm             "not_wasm"             UNPROCESSABLE_ENTITY "The bytes are not WebAssembly";
    CoreModule          "core_module"          UNPROCESSABLE_ENTITY "That is a core module, not a component";
    InvalidComponent    "invalid_component"    UNPROCESSABLE_ENTITY "The component is not valid";
    NoHandler           "no_handler"           UNPROCESSABLE_ENTITY "The component exports no handler";
    AsyncImports        "async_imports"        UNPROCESSABLE_ENTITY "The component imports what its handler cannot wait for";
    UnknownImports      "unknown_imports"      UNPROCESSABLE_ENTITY "The component imports what the host does not have";
    SourceFailed        "source_failed"        BAD_GATEWAY "The component could not be fetched";
    SourceChanged       "source_changed"       CONFLICT "The source has other bytes";
    CompileLimit        "compile_limit"        UNPROCESSABLE_ENTITY "The component takes too much to compile";

    // The function.
    GuestTrapped        "guest_trapped"        INTERNAL_SERVER_ERROR "The function trapped";
    NoResponse          "no_response"          INTERNAL_SERVER_ERROR "The function gave no response";
    GuestError          "guest_error"          INTERNAL_SERVER_ERROR "The function answered with an error";
    MemoryLimit         "memory_limit"         INTERNAL_SERVER_ERROR "The function used too much memory";
    CpuLimit            "cpu_limit"            GATEWAY_TIMEOUT "The function used too much CPU time";
    WallLimit           "wall_limit"           GATEWAY_TIMEOUT "The function took too long";

    // This node.
    Overloaded          "overloaded"           SERVICE_UNAVAILABLE "Too much is going on";
    Collateral          "collateral"           SERVICE_UNAVAILABLE "The call's instance ended";
    Stale               "stale"                SERVICE_UNAVAILABLE "This node does not know the latest state";
    RegionAway          "region_away"          SERVICE_UNAVAILABLE "No node of that region answers";
    HopFailed           "hop_failed"           BAD_GATEWAY "The node that was asked gave no answer";
    NotServedYet        "not_served_yet"       GATEWAY_TIMEOUT "Not every node serves the change yet";
    Draining            "draining"             SERVICE_UNAVAILABLE "This node is shutting down";
    Unavailable         "unavailable"          SERVICE_UNAVAILABLE "Something this needs is away";
    Internal            "internal"             INTERNAL_SERVER_ERROR "The host failed";
}

impl Code {
    /// Whether the same request may succeed a moment later; such answers say `retry-after`.
    pub const fn is_passing(self) -> bool {
        matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_a_distinct_snake_case_name_with_an_error_status() {
        let mut seen = HashSet::new();
        for code in Code::ALL {
            let name = code.as_str();
            assert!(seen.insert(name), "{name} appears twice");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert!(
                code.status().is_client_error() || code.status().is_server_error(),
                "{name}"
            );
        }
    }
}

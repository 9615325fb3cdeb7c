//! What was done, and to what.

use serde::Serialize;
use serde_json::{Map, Value as Json};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal on $target:literal,)*) => {
        /// Everything that is recorded. A closed set: a reader of the log can know all of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it stands in the log.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What kind of thing it is done to.
            #[must_use]
            pub fn target_type(self) -> &'static str {
                match self {
                    $(Self::$name => $target,)*
                }
            }
        }
    };
}

actions! {
    /// A project was made.
    ProjectCreate = "project.create" on "project",
    /// It was given another name, owner, environment or settings.
    ProjectUpdate = "project.update" on "project",
    /// It was deleted. Recorded in the installation's log.
    ProjectDelete = "project.delete" on "project",
    /// Tokens of an identity server count as those of its users.
    ProviderCreate = "identity_provider.create" on "identity_provider",
    /// They count no longer.
    ProviderDelete = "identity_provider.delete" on "identity_provider",
    /// Its secret for users' tokens was replaced.
    JwtSecretReplace = "jwt_secret.replace" on "project",
    /// Its secret for users' tokens was read.
    JwtSecretRead = "jwt_secret.read" on "project",
    /// A version serves: a new one, or an older one that was deployed again.
    FunctionDeploy = "function.deploy" on "function",
    /// An older version serves again.
    FunctionRollback = "function.rollback" on "function",
    /// A version of another project's function serves here.
    FunctionPromote = "function.promote" on "function",
    /// Other shares of the calls go to its versions.
    FunctionWeights = "function.weights" on "function",
    /// Several functions were deployed together, with the tables and policies where these were sent too.
    ProjectDeploy = "project.deploy" on "project",
    /// A signed URL to one of its versions was made.
    PreviewCreate = "preview.create" on "function",
    /// Such URLs of it are good no longer.
    PreviewRevoke = "preview.revoke" on "function",
    /// A function was switched on or off.
    FunctionSwitch = "function.switch" on "function",
    /// A function was deleted.
    FunctionDelete = "function.delete" on "function",
    /// A secret of functions was set.
    SecretSet = "secret.set" on "secret",
    /// A secret of functions was deleted.
    SecretDelete = "secret.delete" on "secret",
    /// An API key was made.
    ApiKeyCreate = "api_key.create" on "api_key",
    /// An API key was deleted.
    ApiKeyDelete = "api_key.delete" on "api_key",
    /// Stored secrets were sealed with another key.
    KeysReseal = "keys.reseal" on "key",
    /// A table was made.
    TableCreate = "table.create" on "table",
    /// A table was dropped.
    TableDrop = "table.drop" on "table",
    /// A column was added.
    ColumnCreate = "column.create" on "table",
    /// A column was dropped.
    ColumnDrop = "column.drop" on "table",
    /// An index was made.
    IndexCreate = "index.create" on "table",
    /// An index was dropped.
    IndexDrop = "index.drop" on "table",
    /// A vector index was made.
    VectorIndexCreate = "vector_index.create" on "vector_index",
    /// A vector index was changed.
    VectorIndexUpdate = "vector_index.update" on "vector_index",
    /// A vector index was deleted.
    VectorIndexDelete = "vector_index.delete" on "vector_index",
    /// The graph of a vector index was built, or could not be.
    VectorIndexBuild = "vector_index.build" on "vector_index",
    /// A schema file was applied, or a column changed.
    SchemaApply = "schema.apply" on "project",
    /// Rows were read, in a project that wants it recorded.
    RowsRead = "rows.read" on "table",
    /// Rows were written past the policies.
    RowsWrite = "rows.write" on "table",
    /// A file was read past the policies.
    FileRead = "file.read" on "file",
    /// A file was written past the policies.
    FileWrite = "file.write" on "file",
    /// A file was deleted past the policies.
    FileDelete = "file.delete" on "file",
    /// A policy was made.
    PolicyCreate = "policy.create" on "policy",
    /// A policy was changed.
    PolicyUpdate = "policy.update" on "policy",
    /// A policy was deleted.
    PolicyDelete = "policy.delete" on "policy",
    /// Policies may, or may no longer, read a table past its own.
    PolicyReadableSet = "policy_readable.set" on "table",
    /// The claims that policies may read were declared.
    ClaimsReplace = "claims.replace" on "project",
    /// Policies were made, or are no longer, Postgres' own as well.
    NativeMirrorSet = "native_mirror.set" on "project",
    /// A schedule was made beside those of the manifest.
    ScheduleCreate = "schedule.create" on "schedule",
    /// Such a schedule was changed.
    ScheduleUpdate = "schedule.update" on "schedule",
    /// Such a schedule was removed.
    ScheduleDelete = "schedule.delete" on "schedule",
    /// A schedule was paused or resumed.
    SchedulePause = "schedule.pause" on "schedule",
    /// A run was asked for that was not due.
    ScheduleRun = "schedule.run" on "schedule",
    /// Runs of the past were asked for.
    ScheduleBackfill = "schedule.backfill" on "schedule",
    /// A token of a project's user was issued.
    TokenCreate = "token.create" on "user",
    /// A control token was issued.
    OperatorCreate = "operator.create" on "operator",
    /// A control token was taken back and another one issued in its place.
    OperatorReplace = "operator.replace" on "operator",
    /// An endpoint of webhooks was made.
    EndpointCreate = "endpoint.create" on "endpoint",
    /// An endpoint was changed.
    EndpointUpdate = "endpoint.update" on "endpoint",
    /// The host switched an endpoint off.
    EndpointDisable = "endpoint.disable" on "endpoint",
    /// An endpoint was deleted.
    EndpointDelete = "endpoint.delete" on "endpoint",
    /// An endpoint signs with a new secret.
    EndpointRotate = "endpoint.rotate_secret" on "endpoint",
    /// A project sends from one more address.
    SenderCreate = "sender.create" on "sender",
    /// Bounces of an address go to another one.
    SenderReturnPath = "sender.return_path" on "sender",
    /// Mail of an address is signed with another key.
    SenderSign = "sender.sign" on "sender",
    /// Mail of an address is signed no longer.
    SenderUnsign = "sender.unsign" on "sender",
    /// A project sends from an address no longer.
    SenderDelete = "sender.delete" on "sender",
    /// A template of mail was made or replaced.
    TemplatePut = "template.put" on "template",
    /// A template was deleted.
    TemplateDelete = "template.delete" on "template",
    /// An address takes mail again.
    SuppressionLift = "suppression.lift" on "address",
    /// A bounce of a message was handed in.
    MessageBounce = "message.bounce" on "message",
    /// A message is sent again.
    MessageResend = "message.resend" on "message",
    /// Deliveries were made again.
    DeliveriesReplay = "deliveries.replay" on "project",
    /// A control token was taken back.
    OperatorRevoke = "operator.revoke" on "operator",
    /// Somebody made an account for themselves.
    SignUp = "session.sign_up" on "user",
    /// Somebody signed in.
    SignIn = "session.sign_in" on "user",
    /// A wrong password, or an address that nobody has.
    SignInFailed = "session.sign_in_failed" on "user",
    /// A session was ended by its owner.
    SignOut = "session.sign_out" on "session",
    /// A refresh token was shown again after it was used, and its session ended.
    TokenReuse = "session.token_reuse" on "user",
    /// A user changed their password.
    PasswordChange = "password.change" on "user",
    /// A code for another password was sent to a user.
    PasswordForgotten = "password.forgotten" on "user",
    /// A user has set another password by such a code.
    PasswordReset = "password.reset" on "user",
    /// A user was made.
    UserCreate = "user.create" on "user",
    /// A user was changed.
    UserUpdate = "user.update" on "user",
    /// A user was deleted.
    UserDelete = "user.delete" on "user",
    /// A role was made.
    RoleCreate = "role.create" on "role",
    /// A role was given other permissions.
    RoleUpdate = "role.update" on "role",
    /// A role was deleted.
    RoleDelete = "role.delete" on "role",
    /// A user was put into a project, or given another role there.
    MemberPut = "member.put" on "user",
    /// A user was taken out of a project.
    MemberRemove = "member.remove" on "user",
    /// Who may sign up as a user of the project's functions was changed.
    SignUpSet = "sign_up.set" on "project",
    /// Old records were cut off the beginning of a log.
    AuditTrim = "audit.trim" on "audit",
    /// The log of a project that is gone was removed.
    AuditRemove = "audit.remove" on "audit",
    /// Somebody asked for what their role does not allow.
    Denied = "access.denied" on "route",
}

impl Serialize for Action {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One record, before it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    pub(super) action: Action,
    pub(super) target: String,
    pub(super) metadata: Map<String, Json>,
}

impl Deed {
    /// An action on the thing of that name or id.
    #[must_use]
    pub fn new(action: Action, target: impl ToString) -> Self {
        Self {
            action,
            target: target.to_string(),
            metadata: Map::new(),
        }
    }

    /// With a fact about it. Never a secret, never a row.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }
}

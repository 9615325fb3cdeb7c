//! Every setting by name. Flag, variable and file key are spelt from the one name.

macro_rules! keys {
    ($($variant:ident $name:literal;)*) => {
        /// A setting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $(#[doc = $name] $variant,)* }

        impl Key {
            /// All settings.
            pub const ALL: &'static [Key] = &[$(Key::$variant,)*];

            /// The key in the file.
            pub const fn name(self) -> &'static str {
                match self { $(Key::$variant => $name,)* }
            }
        }
    };
}

keys! {
    // Where things are.
    DataDir "data_dir";
    KeyFile "key_file";
    AdminTokenFile "admin_token_file";
    Store "store";
    StoreEndpoint "store_endpoint";
    StorePlainHttp "store_plain_http";
    StoreCa "store_ca";
    // Who may come in.
    SignUp "sign_up";
    // Listeners and names.
    Listen "listen";
    ControlListen "control_listen";
    TlsCertificate "tls_certificate";
    TlsKey "tls_key";
    ControlTlsCertificate "control_tls_certificate";
    ControlTlsKey "control_tls_key";
    PublicUrl "public_url";
    Domain "domain";
    Region "region";
    TrustedProxies "trusted_proxies";
    FleetListen "fleet_listen";
    FleetAddress "fleet_address";
    MaxStalenessS "max_staleness_s";
    DrainTimeoutS "drain_timeout_s";
    HeaderTimeoutS "header_timeout_s";
    SendTimeoutS "send_timeout_s";
    ConnectionsMax "connections_max";
    ConnectionThreads "connection_threads";
    // Postgres.
    DatabaseUrl "database_url";
    DatabasePooling "database_pooling";
    DatabaseDirectUrl "database_direct_url";
    PostgresBinDir "postgres_bin_dir";
    PostgresCacheDir "postgres_cache_dir";
    Yes "yes";
    // Mail.
    SmtpUrl "smtp_url";
    MailFrom "mail_from";
    SmtpCa "smtp_ca";
    PasswordResetTemplate "password_reset_template";
    // What was done.
    AuditRetentionDays "audit_retention_days";
    // Output.
    Log "log";
    LogFormat "log_format";
    // What a manifest may ask for at most.
    MemoryMibMax "memory_mib_max";
    CpuMsMax "cpu_ms_max";
    FirstByteMsMax "first_byte_ms_max";
    SilenceMsMax "silence_ms_max";
    WallMsMax "wall_ms_max";
    BodyMibMax "body_mib_max";
    HostCallsMax "host_calls_max";
    OutboundRequestsMax "outbound_requests_max";
    LogKibMax "log_kib_max";
    SelectRowsMax "select_rows_max";
    StatementMsMax "statement_ms_max";
    OutboundMsMax "outbound_ms_max";
    ComponentMibMax "component_mib_max";
    // What this node takes on.
    InstancesMax "instances_max";
    InvocationsMax "invocations_max";
    InvocationsPerFunctionMax "invocations_per_function_max";
    InvocationsPerProjectMax "invocations_per_project_max";
    WaitingPerFunctionMax "waiting_per_function_max";
    TenantConnectionsMax "tenant_connections_max";
    ProjectConnectionsMax "project_connections_max";
    CompiledMemoryMib "compiled_memory_mib";
    CompiledDiskMib "compiled_disk_mib";
    // Cron.
    SchedulerLeaseS "scheduler_lease_s";
    RunsRetentionDays "runs_retention_days";
}

impl Key {
    /// `KOYALITE_` and the name in capitals.
    pub fn variable(self) -> String {
        format!("KOYALITE_{}", self.name().to_ascii_uppercase())
    }

    /// `--` and the name with dashes.
    pub fn flag(self) -> String {
        format!("--{}", self.name().replace('_', "-"))
    }

    /// Whether the value must not be shown to anyone.
    pub const fn is_secret(self) -> bool {
        matches!(
            self,
            Key::DatabaseUrl
                | Key::DatabaseDirectUrl
                | Key::SmtpUrl
                | Key::Store
                | Key::StoreEndpoint
        )
    }

    /// The setting of that name in the file.
    pub fn of_name(name: &str) -> Option<Key> {
        Key::ALL.iter().copied().find(|key| key.name() == name)
    }
}

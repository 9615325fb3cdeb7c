# One node of KoyaLite. `nomad var put nomad/jobs/koyalite database_url=… keys=@keys.json`
job "koyalite" {
  group "node" {
    count = 1

    network {
      port "functions" {}
      port "control" { host_network = "private" }
    }

    volume "data" {
      type            = "host"
      source          = "koyalite"
      access_mode     = "single-node-writer"
      attachment_mode = "file-system"
    }

    service {
      name     = "koyalite"
      port     = "functions"
      provider = "nomad"
      check {
        type     = "http"
        path     = "/readyz"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "serve" {
      driver = "docker"
      # Longer than drain_timeout_s.
      kill_timeout   = "45s"
      shutdown_delay = "3s"
      config {
        image           = "registry.example/koyalite:0.1.0"
        args            = ["serve"]
        ports           = ["functions", "control"]
        readonly_rootfs = true
        cap_drop        = ["all"]
      }
      volume_mount {
        volume      = "data"
        destination = "/var/lib/koyalite"
      }
      template {
        destination = "${NOMAD_SECRETS_DIR}/keys.json"
        perms       = "0400"
        uid         = 10001
        data        = "{{ with nomadVar \"nomad/jobs/koyalite\" }}{{ .keys }}{{ end }}"
      }
      template {
        destination = "${NOMAD_SECRETS_DIR}/environment"
        env         = true
        data        = "DATABASE_URL={{ with nomadVar \"nomad/jobs/koyalite\" }}{{ .database_url }}{{ end }}"
      }
      env {
        KOYALITE_KEY_FILE       = "${NOMAD_SECRETS_DIR}/keys.json"
        KOYALITE_LISTEN         = "0.0.0.0:${NOMAD_PORT_functions}"
        KOYALITE_CONTROL_LISTEN = "0.0.0.0:${NOMAD_PORT_control}"
      }
      resources {
        cpu    = 2000
        memory = 8192
      }
    }
  }
}

//! The machine that we run on, as [`Outside`]: the one place of this room that touches files, environment and clock.
#![expect(clippy::disallowed_methods, reason = "reading the world is its task")]

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Outside;

pub(super) struct Machine;

impl Outside for Machine {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(file)
    }

    fn is_readable_by_all(&self, file: &Path) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            files.push(entry?.path());
        }
        files.sort();
        Ok(files)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::check;

    #[test]
    fn a_configuration_is_checked_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let own = rcgen::generate_simple_self_signed(["sip.example.com".to_owned()]).unwrap();
        write(path("chain.pem"), own.cert.pem()).unwrap();
        write(path("key.pem"), own.signing_key.serialize_pem()).unwrap();
        write(path("password"), "secret\n").unwrap();
        for secret in ["key.pem", "password"] {
            set_permissions(path(secret), Permissions::from_mode(0o600)).unwrap();
        }
        let text = include_str!("../../examples/minimal.toml")
            .replace(
                "/etc/letsencrypt/live/sip.example.com/fullchain.pem",
                "chain.pem",
            )
            .replace(
                "/etc/letsencrypt/live/sip.example.com/privkey.pem",
                "key.pem",
            )
            .replace("/etc/wabridge/17015550100.password", "password");
        write(path("wabridge.toml"), text).unwrap();

        let problems = || {
            let report = check(&path("wabridge.toml"));
            let findings = report.findings.iter();
            let problems: Vec<String> = findings.map(|finding| finding.problem.clone()).collect();
            (report.exit_code(), problems.join("\n"))
        };
        let (code, found) = problems();
        assert_eq!(code, 0, "{found}");
        assert_eq!(
            found,
            "the certificate is signed by itself, which WhatsApp refuses"
        );

        set_permissions(path("key.pem"), Permissions::from_mode(0o644)).unwrap();
        let (code, found) = problems();
        assert_eq!(code, 0);
        assert!(
            found.contains("every user of this machine can read"),
            "{found}"
        );

        std::fs::remove_file(path("password")).unwrap();
        let (code, found) = problems();
        assert_eq!(code, 2);
        assert!(found.contains("cannot read"), "{found}");
    }
}

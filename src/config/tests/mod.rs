//! Configurations without a disk.

mod certificates;
mod consent;
mod examples;
mod mistakes;
mod profiles;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{Config, Outside, Report, Severity, parse};

const CHAIN: &str = "/etc/letsencrypt/live/sip.example.com/fullchain.pem";
const KEY: &str = "/etc/letsencrypt/live/sip.example.com/privkey.pem";
const CARD: &str = include_str!("../../../examples/rates-2026-list.csv");
const MINIMAL: &str = include_str!("../../../examples/minimal.toml");

/// 1 July 2026.
fn today() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_782_864_000)
}

/// A machine as the examples want it.
struct Bench {
    files: BTreeMap<PathBuf, Vec<u8>>,
    public: BTreeSet<PathBuf>,
    variables: BTreeMap<String, String>,
    now: SystemTime,
}

impl Bench {
    fn new() -> Self {
        let (chain, key) = certificate(&["sip.example.com"], 2026, 2027);
        let mut bench = Self {
            files: BTreeMap::new(),
            public: BTreeSet::new(),
            variables: BTreeMap::new(),
            now: today(),
        };
        bench.write(CHAIN, &chain);
        bench.write(KEY, &key);
        bench.write("/etc/wabridge/17015550100.password", "of the number\n");
        bench.write("/etc/wabridge/pbx2.password", "of the second PBX\r\n");
        bench.write("/etc/wabridge/pbx-ca.pem", &chain);
        bench.write("/etc/wabridge/admin.token", "token-of-the-operator\n");
        bench.write("/etc/wabridge/rates-2026-list.csv", CARD);
        for name in ["PASSWORD", "TRUNK_PASSWORD", "PEER_PASSWORD"] {
            let name = format!("WABRIDGE_SUPPORT_{name}");
            bench.variables.insert(name.clone(), name);
        }
        bench
    }

    fn write(&mut self, path: &str, content: &str) {
        self.files.insert(path.into(), content.as_bytes().to_vec());
    }

    fn parse(&self, text: &str) -> Result<(Config, Report), Report> {
        parse(Path::new("/etc/wabridge/wabridge.toml"), text, self)
    }

    /// The findings of a text, a line each, whether it can be used or not.
    fn findings(&self, text: &str) -> Vec<String> {
        let report = match self.parse(text) {
            Ok((_, report)) | Err(report) => report,
        };
        report.findings.iter().map(ToString::to_string).collect()
    }
}

impl Outside for Bench {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(file)
            .cloned()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "No such file or directory"))
    }

    fn is_readable_by_all(&self, file: &Path) -> bool {
        self.public.contains(file)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let inside = |file: &&PathBuf| file.parent() == Some(folder);
        Ok(self.files.keys().filter(inside).cloned().collect())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn now(&self) -> SystemTime {
        self.now
    }
}

/// The minimal file with more behind it, which is without fault.
pub(crate) fn minimal_with(text: &str) -> Config {
    let (config, report) = Bench::new()
        .parse(&format!("{MINIMAL}\n{text}\n"))
        .unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(report, Report::default());
    config
}

/// A chain and its key in PEM form, signed by an authority, valid from the first day of one year to that of another.
fn certificate(names: &[&str], from: i32, to: i32) -> (String, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "authority");
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params(names, from, to).signed_by(&key, &issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn params(names: &[&str], from: i32, to: i32) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "leaf");
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params
}

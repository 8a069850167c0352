use crate::support::*;

fn check(folder: &Folder) -> (Option<i32>, String) {
    let output = folder.wabridge("check").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_good_configuration_is_zero() {
    let (code, said) = check(&Folder::new());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn errors_are_two_each_with_file_line_and_key() {
    let folder = Folder::new();
    let config = folder.config();
    for (right, wrong, key) in [
        ("extension = \"100\"", "extention = \"100\"", "extention"),
        ("trunk = \"office\"", "trunk = \"offfice\"", "trunk"),
        (
            "first_port = 20000",
            "first_port = \"many\"",
            "media.first_port",
        ),
        ("tls.pem", "not-there.pem", "listeners.whatsapp.certificate"),
        (
            "probe_interval_s = 0",
            "probe_interval_s = -1",
            "probe_interval_s",
        ),
    ] {
        let wrong = config.replacen(right, wrong, 1);
        let line = wrong.lines().zip(config.lines()).position(|(a, b)| a != b);
        folder.write_config(&wrong);
        let (code, said) = check(&folder);
        assert_eq!(code, Some(2), "{said}");
        let place = format!("wabridge.toml:{}", line.unwrap() + 1);
        let found = said.lines().find(|line| line.contains(&place));
        let found = found.unwrap_or_else(|| panic!("no word of {place} in:\n{said}"));
        assert!(found.contains(key), "{found}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = Folder::new();
    std::fs::remove_file(folder.config_file()).unwrap();
    let (code, said) = check(&folder);
    assert_eq!(code, Some(2));
    assert!(said.contains("wabridge.toml"), "{said}");
}

#[test]
fn run_refuses_what_check_refuses() {
    let folder = Folder::new();
    folder.write_config("nonsense = 1\n");
    let output = folder.wabridge("run").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("wabridge.toml:1"), "{said}");
}

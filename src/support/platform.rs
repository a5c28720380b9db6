//! What kind of machine this is: system, processors, file systems. Names of kinds from fixed lists and numbers alone, so that
//! nothing in it tells one machine from another of its kind.

use std::path::Path;

use crate::support::fs;

/// The systems that are named; any other one is `other`.
const DISTRIBUTIONS: &[&str] = &[
    "almalinux",
    "alpine",
    "amzn",
    "arch",
    "centos",
    "debian",
    "fedora",
    "gentoo",
    "linuxmint",
    "manjaro",
    "nixos",
    "opensuse-leap",
    "opensuse-tumbleweed",
    "ol",
    "pop",
    "rhel",
    "rocky",
    "sles",
    "ubuntu",
    "void",
];

/// The larger of the two files of this kind that are read.
const MOST_BYTES: u64 = 64 << 10;

/// The operating system.
#[must_use]
pub fn system_name() -> &'static str {
    std::env::consts::OS
}

/// The processor's architecture.
#[must_use]
pub fn architecture() -> &'static str {
    std::env::consts::ARCH
}

/// How many processors this process can use.
#[must_use]
pub fn cpu_count() -> Option<u64> {
    std::thread::available_parallelism().ok().map(|count| count.get() as u64)
}

/// The kernel's release, its numbers alone: what follows them can be any text.
#[must_use]
pub fn kernel_release() -> Option<String> {
    leading_numbers(&rustix::system::uname().release().to_string_lossy())
}

/// The distribution's id and version; `other` for one that is not well known.
#[must_use]
pub fn distribution() -> Option<(&'static str, Option<String>)> {
    let text = fs::read_within(Path::new("/etc/os-release"), MOST_BYTES).ok().flatten()?;
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']).to_owned())
    };
    let id = value("ID").unwrap_or_default();
    let known = DISTRIBUTIONS.iter().copied().find(|known| *known == id);
    Some((known.unwrap_or("other"), known.and(value("VERSION_ID")).and_then(|version| leading_numbers(&version))))
}

/// The numbers that a version begins with: `6.1.0` of `6.1.0-13-amd64`.
#[must_use]
pub fn leading_numbers(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let numbers = text.get(..end)?.trim_end_matches('.');
    // More than a version has is no version.
    (numbers.starts_with(|c: char| c.is_ascii_digit()) && numbers.len() <= 32).then(|| numbers.to_owned())
}

/// The kind of file system that holds a path; `other` if it is not in the list.
#[cfg(target_os = "linux")]
#[must_use]
pub fn file_system_name(path: &Path) -> Option<&'static str> {
    /// As in `linux/magic.h` and the file systems' own sources.
    const NAMES: &[(u64, &str)] = &[
        (0xef53, "ext4"),
        (0x5846_5342, "xfs"),
        (0x9123_683e, "btrfs"),
        (0xf2f5_2010, "f2fs"),
        (0xca45_1a4e, "bcachefs"),
        (0x2fc1_2fc1, "zfs"),
        (0x794c_7630, "overlayfs"),
        (0x0102_1994, "tmpfs"),
        (0x6969, "nfs"),
        (0xff53_4d42, "cifs"),
        (0xfe53_4d42, "smb2"),
        (0x6573_5546, "fuse"),
        (0x0102_1997, "9p"),
        (0x0bd0_0bd0, "lustre"),
        (0x4750_4653, "gpfs"),
        (0x1983_0326, "beegfs"),
        (0x00c3_6400, "ceph"),
        (0x4d44, "vfat"),
        (0x2011_bab0, "exfat"),
        (0x7366_746e, "ntfs3"),
    ];
    let kind = u64::try_from(rustix::fs::statfs(path).ok()?.f_type).unwrap_or_default() & 0xffff_ffff;
    Some(NAMES.iter().find(|(number, _)| *number == kind).map_or("other", |(_, name)| name))
}

/// The kind of file system that holds a path: not known on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn file_system_name(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_its_numbers_alone() {
        for (text, numbers) in [
            ("6.1.0-13-amd64", Some("6.1.0")),
            ("2.39.5 (Apple Git-154)", Some("2.39.5")),
            ("3.11.7", Some("3.11.7")),
            ("12", Some("12")),
            ("ada-laptop", None),
            ("", None),
            (".5", None),
            ("1234567890123456789012345678901234", None),
        ] {
            assert_eq!(leading_numbers(text).as_deref(), numbers, "{text}");
        }
    }

    #[test]
    fn this_machine_is_of_a_kind() {
        assert!(cpu_count() > Some(0) && kernel_release().is_some());
        if cfg!(target_os = "linux") {
            assert!(file_system_name(Path::new("/")).is_some());
        }
        assert_eq!(file_system_name(Path::new("/no/such/path")), None);
    }
}

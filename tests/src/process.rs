//! What the kernel says of a process: how much memory it has, and had at most.

/// Kibibytes of a line of `/proc/PID/status`: `VmRSS:`, what is resident now, or `VmHWM:`, the most that ever was; none when there is no such
/// process or line.
pub fn status_kib(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

//! glibc's allocator gives large pieces back to the system as soon as they are freed, until it has seen a few: then it
//! keeps them, for each thread apart. A run over photographs took 362 MB where 256 MB were given, and takes 140 MB with
//! the threshold fixed. From inside, only unsafe code can fix it; from outside, the environment can.

/// Starts the program again in this process with the threshold fixed, unless somebody has fixed it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn settle() {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";

    if env::var_os(THRESHOLD).is_some() {
        return;
    }
    // By its own name, by which `killall` and others know it.
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    again.arg0(arguments.next().unwrap_or_else(|| "image-pipeline".into())).args(arguments);
    // Returns only if it could not, and then the program goes on as it is.
    let _ = again.env(THRESHOLD, "131072").exec();
}

/// Other allocators are as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn settle() {}

use std::collections::VecDeque;

use super::{
    super::{
        follow::Changes,
        locate::Folders,
        pattern::{InputSpec, expand},
        plan::Plan,
        table::{AtEnd, Outcome, Table},
    },
    *,
};

/// A run that follows, in its steps, so that files can be renamed between them.
struct Steps {
    found: Vec<InputSpec>,
    folders: Folders,
    plan: Plan,
    changes: Changes,
    table: Table,
    outbox: VecDeque<Step>,
}

impl Steps {
    fn plan(logs: &Logs, pattern: &str, inputs: &[Position]) -> Self {
        let patterns = [logs.path(pattern).display().to_string()];
        let found = expand(&patterns, true).expect("these inputs can be used");
        let mut folders = Folders::default();
        let plan = Plan::new(&found, inputs, None, &mut folders);
        let changes = Changes::watch(&patterns, &Options::default(), &Arc::default());
        let changes = changes.expect("the folder can be watched");
        let mut table = Table::default();
        for planned in &plan.starts {
            table.push(planned.key, planned.entry());
        }
        Self { found, folders, plan, changes, table, outbox: VecDeque::new() }
    }

    fn begin(&mut self) {
        self.changes.begin(&self.plan.starts, &mut self.table, &mut self.outbox);
    }

    /// All lines that there are now.
    fn lines(&mut self) -> String {
        self.changes.look(&mut self.table, &mut self.outbox);
        let mut lines = String::new();
        for _ in 0..2 * self.table.len() {
            for index in
                (0..self.table.len()).filter(|index| self.table.is_readable(*index)).collect::<Vec<_>>()
            {
                let framing = Options::default().framing();
                match self.table.read(index, AtEnd::Stay, &framing, &mut Vec::new()) {
                    Outcome::Batch(batch) => lines += &String::from_utf8_lossy(&batch.bytes),
                    Outcome::Ended(_) => {}
                    outcome => panic!("plain files have lines and an end, not {outcome:?}"),
                }
            }
        }
        lines
    }
}

/// The positions of `app.log`, which was read up to its last line and is `app.log.1` by now.
fn read_and_rotated(logs: &Logs, content: &str) -> Vec<Position> {
    logs.write("app.log", content);
    let mut run = logs.follow(&["app.log"]);
    run.read();
    let inputs = run.checkpoint().inputs;
    logs.append("app.log", "late\n");
    logs.rotate(0);
    inputs
}

#[test]
fn plan_knows_whether_files_are_where_they_were_found() {
    let logs = Logs::new();
    let inputs = read_and_rotated(&logs, "1\n");
    logs.write("app.log", "2\n");
    let steps = Steps::plan(&logs, "app.log", &inputs);
    assert!(steps.plan.is_as_found(&steps.found, &steps.folders));
    logs.write("app.log.2.gz", gzip("0\n"));
    assert!(!steps.plan.is_as_found(&steps.found, &steps.folders), "what is new may come between");

    let steps = Steps::plan(&logs, "app.log", &inputs);
    logs.rename("app.log", "other");
    logs.rename("app.log.1", "app.log");
    logs.rename("other", "app.log.1");
    assert!(!steps.plan.is_as_found(&steps.found, &steps.folders));
    assert!(!steps.plan.is_as_found(&[], &Folders::default()), "the file of a position");
    assert!(!Plan::default().is_as_found(&steps.found, &Folders::default()), "one that a pattern names");
}

/// The new log was read in place of the one that was empty when it was found, and the lines of that were lost.
#[test]
fn log_that_is_rotated_and_compressed_before_it_is_opened_is_found_by_the_first_look() {
    let logs = Logs::new();
    let mut inputs = read_and_rotated(&logs, "1\n");
    logs.write("app.log", "");
    let path = logs.path("app.log");
    inputs.push(Position::start(&path).found(&path, logs.key("app.log")));
    let mut steps = Steps::plan(&logs, "app.log", &inputs);
    logs.rotate(1);
    logs.write("app.log.1.gz", gzip("2\n"));
    logs.write("app.log", "3\n");
    logs.remove("app.log.1");
    steps.begin();
    assert_eq!(steps.lines(), "late\n2\n3\n");
}

/// What it was compressed to counted as a file that another entry reads, though that is passed over.
#[test]
fn log_that_is_compressed_before_it_is_opened_is_read_where_a_glob_leads_to_both() {
    let logs = Logs::new();
    let inputs = read_and_rotated(&logs, "1\n");
    logs.write("app.log", "2\n");
    logs.rotate(1);
    logs.write("app.log.1.gz", &gzip("2\n")[..12]);
    logs.write("app.log", "3\n");
    let mut steps = Steps::plan(&logs, "app.log*", &inputs);
    logs.write("app.log.1.gz", gzip("2\n"));
    logs.remove("app.log.1");
    steps.begin();
    assert_eq!(steps.lines(), "late\n2\n3\n");
}

/// It was read under its next name, or said to be removed, with an exit code that says so.
#[test]
fn compressed_file_that_is_renamed_before_it_is_passed_over_is_passed_over_there() {
    let logs = Logs::new();
    for (name, content) in [("app.log.3.gz", "1\n"), ("app.log.2.gz", "2\n")] {
        logs.write(name, gzip(content));
    }
    logs.write("app.log", "3\n");
    let mut steps = Steps::plan(&logs, "app.log*", &[]);
    for number in [3, 2] {
        logs.rename(&format!("app.log.{number}.gz"), &format!("app.log.{}.gz", number + 1));
    }
    steps.begin();
    assert_eq!(steps.lines(), "3\n");
    let failed: Vec<&Step> = steps.outbox.iter().filter(|step| matches!(step, Step::Failed { .. })).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// It was said to be removed, with an exit code that says so.
#[test]
fn finished_file_that_is_renamed_between_two_paths_of_a_look_is_no_failure() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut steps = Steps::plan(&logs, "app.log*", &[]);
    steps.begin();
    logs.rotate(0);
    logs.write("app.log", "2\n");
    assert_eq!(steps.lines(), "1\n2\n");
    let key = logs.key("app.log.1");
    logs.rename("app.log.1", "app.log.2");
    let Steps { changes, table, outbox, .. } = &mut steps;
    // The look has just listed the folder.
    changes.look_at(&logs.path("app.log.1"), key, 2, table, outbox);
    assert_eq!(steps.lines(), "");
    let failed: Vec<&Step> = steps.outbox.iter().filter(|step| matches!(step, Step::Failed { .. })).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// It was taken for another log, and read beside this one.
#[test]
fn file_that_is_rotated_between_two_paths_of_a_look_is_of_the_same_log() {
    let logs = Logs::new();
    let long = "1\n".repeat(300_000);
    logs.write("app.log", &long);
    let mut steps = Steps::plan(&logs, "app.log*", &[]);
    steps.begin();
    logs.rotate(0);
    logs.write("app.log", "2\n");
    logs.rotate(1);
    logs.write("app.log", "3\n");
    let Steps { changes, table, outbox, .. } = &mut steps;
    // The look was at `app.log` before.
    changes.look_at(&logs.path("app.log.1"), logs.key("app.log.1"), 2, table, outbox);
    assert!(steps.lines() == long + "2\n3\n");
}

/// The copy was taken for another log, as the file itself did not hold the same any more.
#[test]
fn file_that_is_copied_and_truncated_between_two_paths_of_a_look_is_finished_in_the_copy() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut steps = Steps::plan(&logs, "app.log*", &[]);
    steps.begin();
    assert_eq!(steps.lines(), "1\n");
    logs.append("app.log", "2\n");
    logs.copy_and_truncate("app.log", "app.log.1");
    logs.append("app.log", "3\n");
    let Steps { changes, table, outbox, .. } = &mut steps;
    // The look was at `app.log` before.
    changes.look_at(&logs.path("app.log.1"), logs.key("app.log.1"), 4, table, outbox);
    assert_eq!(steps.lines(), "2\n3\n");
}

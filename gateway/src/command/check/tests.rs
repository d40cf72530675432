#![expect(clippy::unwrap_used, reason = "a test may panic")]

use clap::Parser;

use super::{CheckArgs, run};
use crate::command::exit::{Exit, Failure};
use crate::command::output::{Form, Output};
use crate::command::sample::{self, SampleArgs};

#[derive(Parser)]
enum Cli {
    Check(Box<CheckArgs>),
    Sample(SampleArgs),
}

fn shuguan(line: &str, file: &std::path::Path) -> Result<Exit, Failure> {
    let output = Output {
        form: Form::Json,
        quiet: true,
        no_progress: true,
    };
    let words = line
        .split(' ')
        .map(|word| word.replace("FILE", &file.display().to_string()));
    match Cli::try_parse_from(std::iter::once("shuguan".to_owned()).chain(words)).unwrap() {
        Cli::Check(args) => run(*args, &output),
        Cli::Sample(args) => sample::run(args, &output),
    }
}

#[test]
fn a_sample_is_judged_as_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let record = "--record public-security/resident";
    for (name, form) in [
        ("a.csv", "csv"),
        ("a.ndjson", "ndjson"),
        ("a.tsv", "tsv"),
        ("a.txt", "pipe"),
    ] {
        let file = folder.path().join(name);
        let make = format!("sample {record} --rows 200 --charset gb18030 --form {form} -o FILE");
        let judge = format!("check FILE {record}");
        shuguan(&make, &file).unwrap();
        assert_eq!(shuguan(&judge, &file).unwrap(), Exit::Done, "{name}");
        shuguan(&format!("{make} --dirt 20"), &file).unwrap();
        assert_eq!(shuguan(&judge, &file).unwrap(), Exit::Partial, "{name}");
        let wrong = shuguan(&format!("{judge} --charset utf-8"), &file).unwrap_err();
        assert_eq!((wrong.exit, wrong.code.as_deref()), (Exit::Local, Some("SG3103")));
    }
}

#[test]
fn a_secrecy_mark_ends_the_judging_without_saying_which() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(&file, "公民身份号码,姓名,密级\n320706199001010000,甲,绝密\n").unwrap();
    let failure = shuguan("check FILE --record public-security/resident", &file).unwrap_err();
    assert_eq!((failure.exit, failure.code.as_deref()), (Exit::Local, Some("SG3120")));
    assert!(!format!("{failure:?}").contains("绝密"));
}

#[test]
fn households_are_made_where_they_are_sent_and_judged_as_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    let aid = "--record civil-affairs/subsistence-allowance";
    shuguan(&format!("sample {aid} --rows 50 --households -o FILE"), &file).unwrap();
    assert_eq!(shuguan(&format!("check FILE {aid}"), &file).unwrap(), Exit::Done);
    let other = "sample --record civil-affairs/cremation --rows 5 --households -o FILE";
    assert_eq!(shuguan(other, &file).unwrap_err().exit, Exit::Usage);
}

#[test]
fn a_file_that_cannot_be_read_as_a_whole_says_where_and_what_next() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(&file, "xm,xb\n甲,1\n").unwrap();
    let failure = shuguan("check FILE --record public-security/resident", &file).unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("SG3104"));
    assert!(failure.place.unwrap().ends_with("a.csv:1"));
    assert!(failure.next.unwrap().contains("公民身份号码"));
    std::fs::write(&file, "").unwrap();
    let failure = shuguan("check FILE --record public-security/resident", &file).unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("SG3107"));
}

#[test]
fn a_header_row_that_lacks_a_field_is_told_with_what_it_has_and_what_was_probably_meant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    let why = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let failure = shuguan("check FILE --record public-security/resident", &file).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("SG3104"));
        failure.why.unwrap()
    };
    let lacking = why("姓名,身份证,性别\n某,1,1\n");
    assert!(lacking.starts_with("header row: missing citizen_id\n"), "{lacking}");
    for part in ["`姓名` (name), `性别` (sex)", "`身份证` is ignored; did you mean"] {
        assert!(lacking.contains(part), "{lacking}");
    }
    let nothing = why("某某,海州区\n某某,海州区\n");
    assert!(
        nothing.contains("found: no name of a field") && !nothing.contains("海州"),
        "{nothing}"
    );
    let semicolons = why("公民身份号码;姓名\n1;某\n");
    assert!(semicolons.contains("with `;` in it"), "{semicolons}");
}

#[test]
fn a_charset_that_nobody_stated_is_not_said_to_be_declared() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    let failure = |bytes: &[u8], more: &str| {
        std::fs::write(&file, bytes).unwrap();
        let line = format!("check FILE --record public-security/resident{more}");
        let failure = shuguan(&line, &file).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("SG3103"));
        (failure.why.unwrap(), failure.next.unwrap())
    };
    let utf16: Vec<u8> = "\u{feff}公民身份号码\t姓名\n1\t某\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let (why, next) = failure(&utf16, "");
    assert!(why.contains("it is utf-16") && !why.contains("declared"), "{why}");
    assert!(next.contains("save it as CSV UTF-8"), "{next}");
    let (why, _) = failure(&utf16, " --charset gb18030");
    assert!(why.contains("declared as gb18030"), "{why}");
    let broken = b"\xff\xfd\xff,name\n1,a\n";
    let (why, _) = failure(broken, "");
    assert!(
        why.contains("byte 0 (line 1)") && why.contains("no charset was stated"),
        "{why}"
    );
    let (why, _) = failure(broken, " --charset utf-8");
    assert!(why.ends_with("that it is read in, utf-8"), "{why}");
}

#[test]
fn fields_that_are_not_named_reject_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(&file, "xm,gmsfhm\n甲,1\n").unwrap();
    let judge = "check FILE --record public-security/resident --fields name";
    assert_eq!(shuguan(judge, &file).unwrap(), Exit::Done);
    let unknown = shuguan("check FILE --record public-security/resident --fields nam", &file).unwrap_err();
    assert_eq!(unknown.exit, Exit::Usage);
}

const DEATH: &str = "--record public-security/death";

/// A workbook of two good records and one without a death date.
fn deaths() -> Vec<u8> {
    let rows = [
        ["死亡人口登记", "", "", ""],
        ["公民身份号码", "姓名", "性别", "死亡日期"],
        ["320707180001060012", "=甲", "1", "1871-01-02"],
        ["320707180001060071", "-乙", "1", "18711332"],
    ];
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (row, cells) in (0..).zip(rows) {
        for (column, text) in (0..).zip(cells) {
            sheet.write_string(row, column, text).unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn a_marked_copy_of_a_workbook_is_private_and_judged_again_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.xlsx");
    // Made once: a workbook holds the second in which it was made.
    let original = deaths();
    std::fs::write(&file, &original).unwrap();
    let judge = |more: &str, file: &std::path::Path| shuguan(&format!("check FILE {DEATH}{more}"), file);
    let bad = folder.path().join("bad.xlsx");
    let to = format!(" -o {}", bad.display());
    assert_eq!(judge(&to, &file).unwrap(), Exit::Partial);
    assert_eq!(std::fs::metadata(&bad).unwrap().permissions().mode() & 0o777, 0o600);
    // Every record of the copy is rejected again: it holds no other.
    let again = folder.path().join("again.xlsx");
    assert_eq!(judge(&format!(" -o {}", again.display()), &bad).unwrap(), Exit::Partial);
    let to = |name: &str| format!(" -o {}", folder.path().join(name).display());
    let wrong = judge(&to("bad.csv"), &file).unwrap_err();
    assert_eq!(wrong.exit, Exit::Usage);
    let itself = judge(&to("a.xlsx"), &file).unwrap_err();
    assert_eq!(itself.exit, Exit::Usage);
    assert_eq!(std::fs::read(&file).unwrap(), original);
    assert!(!folder.path().join("bad.csv").exists());
}

#[test]
fn what_is_stated_of_a_file_is_judged_as_a_push_would_judge_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(
        &file,
        "身份证号,姓名,月份\n320707180001060012,甲,\n320707180001060071,乙,202510\n",
    )
    .unwrap();
    let layout = folder.path().join("layout.toml");
    let of = |stated: &str| {
        let head = "[[layout]]\nname = \"a\"\nrecord = \"civil-affairs/subsistence-allowance\"\nform = \"delimited\"\n";
        std::fs::write(&layout, format!("{head}{stated}")).unwrap();
    };
    let judge = |more: &str| {
        let fields = "--record civil-affairs/subsistence-allowance --fields citizen_id,name,month";
        shuguan(&format!("check FILE {fields}{more}"), &file)
    };
    let other = judge(" --constant month=202511").unwrap_err();
    assert_eq!((other.exit, other.code.as_deref()), (Exit::Local, Some("SG3116")));
    assert_eq!(judge(" --constant month=202510").unwrap(), Exit::Done);
    for wrong in [
        " --constant month",
        " --constant name=jia",
        " --constant month=202510 --constant month=202510",
        // What `--fields` leaves out is not read.
        " --constant area_kind=1",
    ] {
        let wrong = judge(wrong).unwrap_err();
        assert_eq!((wrong.exit, wrong.code.as_deref()), (Exit::Usage, Some("SG2119")));
    }
    let laid_out = format!(" --constant month=202510 --layout {}", layout.display());
    of("");
    let not_let = judge(&laid_out).unwrap_err();
    assert_eq!((not_let.exit, not_let.code.as_deref()), (Exit::Usage, Some("SG2119")));
    of("stated = [\"month\"]\n");
    assert_eq!(judge(&laid_out).unwrap(), Exit::Done);
}

#[test]
fn a_page_under_the_name_of_xls_is_marked_as_a_workbook_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.xls");
    let rows = [
        "<td>公民身份号码<td>姓名<td>性别<td>死亡日期",
        "<td>320707180001060012<td>甲<td>1<td>1871-01-02",
        "<td>320707180001060071<td>乙<td>1<td>18711332",
    ];
    std::fs::write(&file, format!("<html><table><tr>{}</table></html>", rows.join("<tr>"))).unwrap();
    let judge = |more: &str, file: &std::path::Path| shuguan(&format!("check FILE {DEATH}{more}"), file);
    let to = |name: &str| format!(" -o {}", folder.path().join(name).display());
    assert_eq!(judge(&to("bad.xls"), &file).unwrap_err().exit, Exit::Usage);
    assert_eq!(judge(&to("bad.xlsx"), &file).unwrap(), Exit::Partial);
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(folder.path().join("bad.xlsx")).unwrap();
    let marked = calamine::Reader::worksheet_range(&mut book, "记录").unwrap();
    assert_eq!(marked.height(), 2);
    assert_eq!(marked.get_value((1, 3)).unwrap().to_string(), "18711332");
}

#[test]
fn a_marked_copy_of_text_is_what_rejects_would_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    let text = "公民身份号码,姓名,死亡日期\n320707180001060012,甲,18710102\n320707180001060071,乙,18711332\n";
    std::fs::write(&file, text).unwrap();
    let bad = folder.path().join("bad.csv");
    let judge = format!(
        "check FILE {DEATH} --fields citizen_id,name,death_date -o {}",
        bad.display()
    );
    assert_eq!(shuguan(&judge, &file).unwrap(), Exit::Partial);
    let marked = std::fs::read_to_string(&bad).unwrap();
    assert_eq!(
        marked,
        "公民身份号码,姓名,死亡日期,_row,_code,_field,_reason,_expected\n\
         320707180001060071,乙,18711332,2,SG3205,death_date,日期不存在或格式不识别,yyyyMMdd 或 yyyy-MM-dd，月份为 yyyyMM\n"
    );
}

#[test]
fn a_delta_is_judged_by_what_its_rows_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    let judge = |more: &str, text: &str| {
        std::fs::write(&file, text).unwrap();
        let fields = "--fields citizen_id,name,death_date";
        shuguan(&format!("check FILE {DEATH} {fields} --mode delta{more}"), &file)
    };
    let head = "操作类型,公民身份号码,姓名,死亡日期\n";
    // A delete needs its key alone.
    let good = format!("{head}D,320707180001060012,,\nI,320707180001060071,乙,18710102\n");
    assert_eq!(judge("", &good).unwrap(), Exit::Done);
    assert_eq!(judge(" --count 2", &good).unwrap(), Exit::Done);
    let miscounted = judge(" --count 3", &good).unwrap_err();
    assert_eq!(
        (miscounted.exit, miscounted.code.as_deref()),
        (Exit::Local, Some("SG3111"))
    );
    assert!(miscounted.why.unwrap().contains("stated 3, received 2"));
    let unknown = format!("{head}1,320707180001060012,甲,18710102\n");
    assert_eq!(judge("", &unknown).unwrap(), Exit::Partial);
    let none = judge("", "公民身份号码,姓名,死亡日期\n320707180001060012,甲,18710102\n").unwrap_err();
    assert_eq!(none.code.as_deref(), Some("SG3113"));
    let scoped = judge(" --scope all", &good).unwrap_err();
    assert_eq!((scoped.exit, scoped.code.as_deref()), (Exit::Usage, Some("SG2119")));
}

#[test]
fn a_snapshot_is_judged_within_its_scope() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    let judge = |more: &str| {
        let text = "公民身份号码,姓名,性别,死亡日期\n320707180001060012,甲,1,18710102\n";
        std::fs::write(&file, text).unwrap();
        let fields = "--fields citizen_id,name,sex,death_date";
        shuguan(&format!("check FILE {DEATH} {fields} --mode {more}"), &file)
    };
    assert_eq!(judge("snapshot --count 1 --scope all").unwrap(), Exit::Done);
    assert_eq!(judge("snapshot --count 1 --scope sex=1").unwrap(), Exit::Done);
    let outside = judge("snapshot --count 1 --scope sex=2").unwrap_err();
    assert_eq!((outside.exit, outside.code.as_deref()), (Exit::Local, Some("SG3112")));
    for more in [
        "snapshot",
        "snapshot --scope all",
        "snapshot --count 1",
        "snapshot --count 1 --scope name=x",
    ] {
        let wrong = judge(more).unwrap_err();
        assert_eq!(
            (wrong.exit, wrong.code.as_deref()),
            (Exit::Usage, Some("SG2119")),
            "{more}"
        );
    }
    assert_eq!(judge("merge").unwrap_err().exit, Exit::Usage);
}

#[test]
fn where_in_a_workbook_the_records_are_can_be_said_and_of_other_files_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.xlsx");
    std::fs::write(&file, deaths()).unwrap();
    let judge = |more: &str| shuguan(&format!("check FILE {DEATH} {more}"), &file);
    // The second record is the one that is bad.
    assert_eq!(
        judge("--sheet-number 1 --title-rows 1 --header-rows 1").unwrap(),
        Exit::Partial
    );
    assert_eq!(
        judge("--title-rows 1 --header-rows 1 --footer 320707180001060071").unwrap(),
        Exit::Done
    );
    let skipped = judge("--title-rows 1 --header-rows 1 --skip-rows 2").unwrap_err();
    assert_eq!(skipped.code.as_deref(), Some("SG3107"));
    assert_eq!(judge("--sheet-number 2").unwrap_err().code.as_deref(), Some("SG3124"));
    assert_eq!(judge("--title-rows 5000").unwrap_err().exit, Exit::Usage);
    let file = folder.path().join("a.csv");
    std::fs::write(&file, "公民身份号码,姓名\n").unwrap();
    let wrong = shuguan(&format!("check FILE {DEATH} --title-rows 1"), &file).unwrap_err();
    assert_eq!(wrong.exit, Exit::Usage);
}

//! Files around what a fuzzer makes: a fuzzer does not find the checksums of an archive by itself, and not the sectors of a compound file.
//!
//! Takes bytes; gives them as they are where they are such a file already, else wrapped in the smallest file that is read.

use std::io::{Cursor, Write};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use shuguan_adapters::catalogue::RecordType;
use shuguan_adapters::layout::{Encoding, Fixed, FixedColumn, Format, HeaderRows, Layout, Sheet, Span, Trailer};

/// Bytes of each column.
const WIDTH: usize = 20;

/// Columns in the order of the catalogue; with or without blanks at the end, a title and a trailer.
pub(crate) fn fixed(choice: u8, record: &RecordType) -> Layout {
    let columns = record.fields.iter().enumerate().map(|(at, field)| FixedColumn {
        name: field.name.to_owned(),
        span: Span {
            start: at * WIDTH,
            width: WIDTH,
        },
    });
    let mut form = Fixed::new(columns.collect()).expect("columns beside one another");
    form.cut_blanks = choice & 2 != 0;
    form.title_rows = u32::from(choice >> 2 & 1);
    if choice & 8 != 0 {
        let count = Span { start: 3, width: 8 };
        let trailer = Trailer {
            mark: "TRL".to_owned(),
            count,
            sums: Vec::new(),
        };
        form = form.with_trailer(trailer).expect("a trailer with a mark");
    }
    let encoding = if choice & 1 == 0 {
        Encoding::Utf8
    } else {
        Encoding::Gb18030
    };
    Layout::new(Format::Fixed(Arc::new(form)), encoding)
}

/// The sheet found by itself, or stated.
pub(crate) fn sheet(format: Format, choice: u8) -> Layout {
    let layout = Layout::new(format, Encoding::Utf8);
    let stated = Sheet {
        title_rows: u32::from(choice >> 2 & 1),
        header_rows: HeaderRows::of(u32::from(choice & 3)),
        skip_rows: u32::from(choice >> 3 & 1),
        footer: (choice & 16 != 0).then(|| "以上".into()),
        number: std::num::NonZeroU32::new(u32::from(choice >> 5 & 1)),
        ..Sheet::new()
    };
    layout.with_sheet(stated).expect("a workbook")
}

/// The same of a workbook that is text, in a charset that is stated or is not.
pub(crate) fn markup(choice: u8) -> Layout {
    let layout = sheet(Format::XLS, choice);
    match choice >> 6 {
        0 | 1 => layout.left_open(),
        2 => layout,
        _ => layout.in_charset(Encoding::Gb18030),
    }
}

/// A page as it is, or one with a table of these rows.
pub(crate) fn html(feed: &[u8]) -> Vec<u8> {
    if feed.starts_with(b"<html") || feed.starts_with(b"<table") {
        return feed.to_vec();
    }
    [b"<html><table>", feed, b"</table></html>"].concat()
}

/// `SpreadsheetML` as it is, or one with a worksheet of these rows.
pub(crate) fn spreadsheet_ml(feed: &[u8]) -> Vec<u8> {
    if feed.starts_with(b"<?xml") {
        return feed.to_vec();
    }
    let styles = "<Styles><Style ID='d'><NumberFormat Format='Short Date'/></Style><Style ID='m'><NumberFormat Format='yyyy-mm'/></Style></Styles>";
    let head =
        format!("<Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>{styles}<Worksheet Name='a'><Table>");
    [head.as_bytes(), feed, b"</Table></Worksheet></Workbook>"].concat()
}

/// The envelope of the tax offices around it: as text, Base64, or Base64 of zlib or gzip; the content cut into lines or twice there.
pub(crate) fn envelope(choice: u8, content: &[u8]) -> Vec<u8> {
    let text = |bytes: &[u8]| {
        let text = STANDARD.encode(bytes);
        let width = if choice & 4 == 0 { 76 } else { usize::MAX };
        let lines: Vec<&[u8]> = text.as_bytes().chunks(width).collect();
        lines.join(&b"\r\n"[..])
    };
    let content = match choice & 3 {
        0 => content.to_vec(),
        1 => text(content),
        2 => text(&zlib(content)),
        _ => text(&gzip(content)),
    };
    let element = [&b"<content>"[..], &content, b"</content>"].concat();
    let times = 1 + usize::from(choice >> 3 & 1);
    let head = &b"<tiripPackage><identity/><businessContent><subPackage>"[..];
    [
        head,
        &element.repeat(times),
        b"</subPackage></businessContent></tiripPackage>",
    ]
    .concat()
}

/// One stream of zlib.
pub(crate) fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// One member of gzip.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// A workbook as it is, or one whose sheet this is.
pub(crate) fn xlsx(feed: &[u8]) -> Vec<u8> {
    if feed.starts_with(b"PK") {
        return feed.to_vec();
    }
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let root = format!(
        r#"<Relationships xmlns="{package}"><Relationship Id="a" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
    );
    let parts = format!(
        r#"<Relationships xmlns="{package}"><Relationship Id="a" Type="{office}/worksheet" Target="worksheets/a.xml"/><Relationship Id="b" Type="{office}/styles" Target="styles.xml"/></Relationships>"#
    );
    let book =
        format!(r#"<workbook xmlns:r="{office}"><sheets><sheet name="a" sheetId="1" r:id="a"/></sheets></workbook>"#);
    let styles =
        r#"<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="57"/></cellXfs></styleSheet>"#;
    let types = r#"<Types><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"#;
    stored(&[
        ("[Content_Types].xml", types.as_bytes()),
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", parts.as_bytes()),
        ("xl/styles.xml", styles.as_bytes()),
        ("xl/worksheets/a.xml", feed),
    ])
}

/// A compound file as it is, or one with this stream.
pub(crate) fn xls(feed: &[u8]) -> Vec<u8> {
    if feed.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        return feed.to_vec();
    }
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("memory takes it");
    let mut stream = file.create_stream("/Workbook").expect("a stream");
    stream.write_all(feed).expect("memory takes it");
    drop(stream);
    file.into_inner().into_inner()
}

/// An archive whose parts are not packed.
fn stored(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in parts {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let size = u32::try_from(content.len()).expect("a small part").to_le_bytes();
        let length = u16::try_from(name.len()).expect("a short name").to_le_bytes();
        let head = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &length,
            &[0, 0],
        ]
        .concat();
        let offset = u32::try_from(out.len()).expect("a small archive").to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\x00", &head[..], &[0; 10], &offset, name.as_bytes()].concat());
        out.extend([b"PK\x03\x04", &head[..], name.as_bytes(), content].concat());
    }
    let count = u16::try_from(parts.len()).expect("a few").to_le_bytes();
    let start = u32::try_from(out.len()).expect("a small archive").to_le_bytes();
    let length = u32::try_from(directory.len()).expect("a few").to_le_bytes();
    out.extend(directory);
    out.extend(
        [
            b"PK\x05\x06\x00\x00\x00\x00",
            &count[..],
            &count,
            &length,
            &start,
            &[0, 0],
        ]
        .concat(),
    );
    out
}

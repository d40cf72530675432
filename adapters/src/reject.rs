//! Rejects: why one record was left out of a batch. One table joins code, slug, titles and hint.
//!
//! Takes nothing; gives a closed set of reasons and the place of a record. A reject names row, line, field and reason; it has no room
//! for a value of a field, so that a report of rejects holds no personal data.

macro_rules! rejects {
    ($($variant:ident $code:literal $slug:literal $zh:literal $en:literal $expected_zh:literal $expected:literal;)*) => {
        /// Why a record was left out. Codes are stable and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RejectCode { $(#[doc = $en] $variant,)* }

        impl RejectCode {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable code, e.g. `SG3204`.
            pub fn code(self) -> &'static str { match self { $(Self::$variant => $code,)* } }

            /// Short name as it stands in reports, e.g. `bad-checksum`.
            pub fn slug(self) -> &'static str { match self { $(Self::$variant => $slug,)* } }

            /// Title in Chinese.
            pub fn zh(self) -> &'static str { match self { $(Self::$variant => $zh,)* } }

            /// Title in English.
            pub fn en(self) -> &'static str { match self { $(Self::$variant => $en,)* } }

            /// What would have passed, in English.
            pub fn expected(self) -> &'static str { match self { $(Self::$variant => $expected,)* } }

            /// What would have passed, in Chinese.
            pub fn expected_zh(self) -> &'static str { match self { $(Self::$variant => $expected_zh,)* } }
        }
    };
}

rejects! {
    Missing "SG3201" "missing" "必填项为空" "a required field is empty" "填写该字段" "a value in this field";
    BadLength "SG3202" "bad-length" "长度不符" "the value has a length that this field never has" "按目录规定的位数，公民身份号码为18位或15位" "the number of characters that the catalogue names; of a resident id 18 or 15";
    BadAlphabet "SG3203" "bad-alphabet" "含有不允许的字符" "the value has characters that this field never has" "仅限该类编码允许的数字和字母，不得为科学计数法" "only the digits and letters of this kind of number, never scientific notation";
    BadChecksum "SG3204" "bad-checksum" "校验码错误" "the check character is wrong" "校验码与其余各位一致" "a check character that agrees with the rest";
    BadDate "SG3205" "bad-date" "日期不存在或格式不识别" "no such day, or not a form of date that is read" "yyyyMMdd 或 yyyy-MM-dd，月份为 yyyyMM" "yyyyMMdd or yyyy-MM-dd; of a month yyyyMM";
    ImpreciseDate "SG3206" "imprecise-date" "日期缺少日" "the date names no day" "精确到日的日期；只知道年月的，非必填字段留空，不要补成1日" "a date with its day; where only the month is known, an optional field stays empty, and no first of the month is made up";
    FutureDate "SG3207" "future-date" "日期晚于今天" "the date lies in the future" "不晚于报送当日" "a day not after the day of sending";
    UnknownRegion "SG3208" "unknown-region" "行政区划代码无法识别" "no province ever had this division code" "GB/T 2260 代码（含历史代码）" "a GB/T 2260 code, present or historical";
    UnknownCode "SG3209" "unknown-code" "代码不在代码表中" "the code is not in the field's table" "代码表中的代码或名称" "a code or a spelling of the field's table";
    TooLong "SG3210" "too-long" "超过最大长度" "the value is longer than the field" "不超过目录规定的字数" "at most the characters that the catalogue names";
    ControlCharacter "SG3211" "control-character" "含有控制字符" "the value has a control character" "不含控制字符的文本" "text without control characters";
    SexContradictsId "SG3212" "sex-contradicts-id" "性别与身份号码第17位不符" "sex and digit 17 of the resident id disagree" "性别与身份号码一致" "a sex that agrees with the resident id";
    BirthContradictsId "SG3213" "birth-contradicts-id" "出生日期与身份号码不符" "birth date and digits 7 to 14 of the resident id disagree" "出生日期与身份号码一致" "a birth date that agrees with the resident id";
    OutOfOrderDates "SG3214" "out-of-order-dates" "起止日期颠倒" "a later date stands before its earlier one" "止期不早于起期" "an end not before its beginning";
    BadNumber "SG3215" "bad-number" "数值格式或范围错误" "not a number of this field's form and range" "非负数，小数位不超过规定" "a number not below zero with no more decimals than the catalogue names";
    ColumnCount "SG3216" "wrong-column-count" "列数与表头不符" "the row has another number of columns than the header" "与表头相同的列数" "as many columns as the header row";
    MalformedJson "SG3217" "bad-json" "JSON格式错误" "the line is not a JSON object" "每行一个 JSON 对象" "one JSON object a line";
    DuplicateKey "SG3218" "duplicate-key" "同一记录内字段重复" "the record names a field twice" "每个字段出现一次" "each field once";
    WrongType "SG3219" "wrong-type" "JSON值类型错误" "the JSON value is neither text, number, truth value nor null" "文本、数字、true/false 或 null" "a text, a number, a truth value or null";
    NulCharacter "SG3220" "nul-character" "含有空字符(NUL)" "the value has a NUL character" "不含 NUL 的文本" "text without NUL";
    BadPhone "SG3221" "bad-phone" "电话号码格式错误" "not a mobile or landline number" "11位手机号，或区号-号码" "a mobile number of 11 digits, or area code and number";
    BadName "SG3222" "bad-name" "姓名含有数字或乱码" "a name with digits or broken characters" "1至50个字的姓名" "a name of 1 to 50 characters";
    RecordTooLong "SG3223" "record-too-long" "单条记录过长" "the record is longer than a record may be" "不超过单条记录的最大字节数" "at most the bytes that one record may have";
    NoKey "SG3224" "no-key" "缺少识别记录的关键字段" "the record has none of the keys that would identify it" "至少一组完整的关键字段" "one whole key of the record type";
    BadEncoding "SG3225" "bad-encoding" "字符编码错误" "bytes that are not text in the declared encoding" "按所声明编码的文本" "text in the declared encoding";
    FieldTooLong "SG3226" "field-too-long" "字段过长" "a field has more bytes than any field may have" "不超过单个字段的最大字节数" "at most the bytes that one field may have";
    InexactNumber "SG3227" "inexact-number" "JSON数字不精确" "a JSON number that is no exact whole number" "将编号作为文本发送" "numbers such as ids sent as text";
    TooDeep "SG3228" "too-deep" "JSON嵌套过深" "the JSON value is nested too deeply" "不嵌套的 JSON 对象" "a flat JSON object";
    LoneSurrogate "SG3229" "lone-surrogate" "JSON转义错误" "a JSON escape names half a character" "成对的 \\u 转义或直接的文字" "paired \\u escapes, or the character itself";
    NotAnObject "SG3230" "not-an-object" "该行不是JSON对象" "the line holds JSON, but no object" "每行一个 JSON 对象" "one JSON object a line";
    WrongWidth "SG3231" "wrong-width" "行宽不符" "the line has another width than the columns" "按约定的字节宽度" "as many bytes as the columns have together";
    CutCharacter "SG3232" "cut-character" "字段边界切断汉字" "a column begins or ends inside a character" "按编码后的字节位置对齐字段" "columns aligned to bytes of the encoded text";
    MalformedXml "SG3233" "bad-xml" "XML记录格式错误" "the record element is not of a form that is read" "每个字段一个元素或属性" "one element or attribute for each field";
    OpenHistory "SG3240" "open-history" "历史记录没有结束时间" "a history row does not say when it ended" "历史记录的结束时间" "the end of a history row";
    LostDigits "SG3241" "lost-digits" "号码以数值存储，末位已丢失" "a number of more than 15 digits that was stored as a number or in scientific notation: its last digits are lost" "将证件号码等以文本格式存储并重新录入" "numbers such as ids typed in again into cells formatted as text";
    ErrorCell "SG3242" "error-cell" "单元格为错误值" "the cell holds an error such as #N/A" "有效的值或空" "a value, or an empty cell";
    UncomputedFormula "SG3243" "uncomputed-formula" "公式未计算" "the cell holds a formula without its value" "用电子表格软件打开并保存，或粘贴为数值" "a workbook saved by the program that computes it, or values instead of formulas";
    MissingOperation "SG3245" "missing-operation" "缺少操作类型" "a row of a delta does not say insert, update or delete" "I(新增)、U(修改)或 D(删除)" "I, U or D";
    UnknownOperation "SG3246" "unknown-operation" "操作类型无法识别" "the row's operation is none that is known" "I(新增)、U(修改)或 D(删除)；其他代码须在版式中说明" "I, U or D; other codes are explained in a layout: codes.op";
    OutOfScope "SG3247" "out-of-scope-row" "记录超出快照范围" "the record lies outside the snapshot's scope" "快照声明范围内的记录" "a record inside the scope that `Exchange-Scope` states";
    AmbiguousMonth "SG3249" "ambiguous-month" "年月含义不明(2025.1可能是10月)" "a month that may be January or October: 2025.10 stored as a number is 2025.1" "写作 202501、202510 或 2025-10，或将单元格设为文本" "202501, 202510 or 2025-10, or the cell as text";
    Overflow "SG3244" "overflow" "数值超出列宽(***)" "the number did not fit its column" "列宽足够的数值" "a column wide enough for the number";
}

/// One record that was left out, and why. Never holds a value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Number of the data row, from 1; the header does not count.
    pub row: u64,
    /// Number of the line in the file at which the record starts, from 1.
    pub line: u64,
    /// English name of the field at fault; `None` when the record as a whole is.
    pub field: Option<&'static str>,
    /// Why.
    pub code: RejectCode,
    /// Bytes of the file before the one at fault, where one byte is.
    pub offset: Option<u64>,
    /// The sender's own number of the row, where its layout names the column of it (`row_id`) and it could be nobody's.
    pub id: Option<Box<str>>,
    /// Which of the columns of the row the field was to be read from, see [`crate::decode::Decoder::header`].
    pub(crate) place: Option<usize>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::RejectCode;

    #[test]
    fn codes_and_slugs_are_unique_and_in_their_range() {
        let codes: HashSet<_> = RejectCode::ALL.iter().map(|reason| reason.code()).collect();
        let slugs: HashSet<_> = RejectCode::ALL.iter().map(|reason| reason.slug()).collect();
        assert_eq!(codes.len(), RejectCode::ALL.len());
        assert_eq!(slugs.len(), RejectCode::ALL.len());
        assert!(codes.iter().all(|code| code.starts_with("SG32")));
    }

    #[test]
    fn every_reason_says_what_would_have_passed_in_both_languages() {
        for reason in RejectCode::ALL {
            for text in [reason.zh(), reason.en(), reason.expected(), reason.expected_zh()] {
                assert!(!text.is_empty(), "{}", reason.code());
            }
        }
    }
}

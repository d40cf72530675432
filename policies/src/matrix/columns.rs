//! The columns of the three sheets: each key of an agreement file once, in the order in which a file is written.

use super::{Column, Form};

const fn column(key: &'static str, zh: &'static str, form: Form) -> Column {
    Column { key, zh, form }
}

/// Name of the sheet of agreements.
pub(super) const AGREEMENTS_NAME: &str = "协议";
/// Name of the sheet of grants.
pub(super) const GRANTS_NAME: &str = "授权";
/// Name of the sheet of fields.
pub(super) const FIELDS_NAME: &str = "数据项";

/// The file that a row belongs to, without folder and ending.
pub(super) const FILE: &str = "file";
/// Which grant of its file, from 1.
pub(super) const NUMBER: &str = "number";
/// The field's name.
pub(super) const FIELD: &str = "field";
/// What becomes of the field.
pub(super) const OPERATOR: &str = "operator";

/// Columns of 协议.
pub static AGREEMENTS: &[Column] = &[
    column(FILE, "文件", Form::Text),
    column("format", "格式版本", Form::Number),
    column("agreement", "协议编号", Form::Text),
    column("consumer", "使用方", Form::Text),
    column("basis.kind", "依据种类", Form::Text),
    column("basis.articles", "法律条文", Form::List),
    column("basis.document", "签署文件", Form::Text),
    column("application", "共享申请编号", Form::Text),
    column("impact_assessment", "影响评估编号", Form::Text),
    column("valid.from", "生效", Form::Moment),
    column("valid.until", "失效", Form::Moment),
    column("defaults.schema", "缺省结构版本", Form::Number),
    column("defaults.purpose", "缺省用途", Form::Text),
    column("defaults.direction", "缺省方向", Form::Text),
    column("defaults.mode", "缺省方式", Form::Text),
    column("defaults.retain_days", "缺省保存天数", Form::Number),
    column("defaults.onward", "缺省转供", Form::Text),
    column("defaults.attest_deletion", "缺省出具删除证明", Form::Flag),
];

/// Columns of 授权.
pub static GRANTS: &[Column] = &[
    column(FILE, "文件", Form::Text),
    column(NUMBER, "序号", Form::Number),
    column("shown.target", "数据名称", Form::Shown),
    column("id", "授权编号", Form::Text),
    column("for.record", "数据类别", Form::Text),
    column("for.dataset", "数据集", Form::Text),
    column("for.partner", "单位", Form::Text),
    column("for.partners", "多个单位", Form::List),
    column("for.agency", "部门", Form::Text),
    column("for.purpose", "用途", Form::Text),
    column("for.purposes", "多个用途", Form::List),
    column("for.direction", "方向", Form::Text),
    column("for.mode", "方式", Form::Text),
    column("schema", "结构版本", Form::Number),
    column("necessity", "必要性", Form::Text),
    column("select_by", "可按何字段提取", Form::List),
    column("require", "必填字段", Form::List),
    column("rows", "行条件", Form::Value),
    column("hours", "时段", Form::Value),
    column("limits.rows_per_push", "每次推送行数", Form::Number),
    column("limits.rows_per_pull", "每次提取行数", Form::Number),
    column("limits.rows_per_day", "每日行数", Form::Number),
    column("limits.bytes_per_day", "每日字节数", Form::Number),
    column("limits.pulls_per_day", "每日提取次数", Form::Number),
    column("limits.requests_per_day", "每日请求次数", Form::Number),
    column("limits.subjects_per_day", "每日人(户)数", Form::Number),
    column("limits.per_subject_per_day", "每人每日次数", Form::Number),
    column("limits.reject_percent", "退回率上限(%)", Form::Number),
    column("limits.absent_percent", "查无率上限(%)", Form::Number),
    column("retain_days", "保存天数", Form::Number),
    column("onward", "转供", Form::Text),
    column("attest_deletion", "出具删除证明", Form::Flag),
];

/// Columns of 数据项.
pub static FIELDS: &[Column] = &[
    column(FILE, "文件", Form::Text),
    column(NUMBER, "序号", Form::Number),
    column("shown.target", "数据名称", Form::Shown),
    column("shown.zh", "数据项", Form::Shown),
    column(FIELD, "字段", Form::Text),
    column("shown.kind", "类型", Form::Shown),
    column("shown.class", "级别", Form::Shown),
    column(OPERATOR, "处理方式", Form::Operator),
];

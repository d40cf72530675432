//! Refusals: what a caller may not or cannot do. One table joins code, slug, titles and remedy.
//!
//! A refusal carries a code and, where it helps, a field and a row; never a value. It is sealed as a leaf, told to the caller and
//! counted. A failure of ours is a fault, which is not here.

macro_rules! refusals {
    ($($variant:ident $code:literal $slug:literal $zh:literal $en:literal $next:literal;)*) => {
        /// Why a call was refused. Codes are stable and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal { $(#[doc = $en] $variant,)* }

        impl Refusal {
            /// Every refusal there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable code, e.g. `SG4103`.
            pub fn code(self) -> &'static str { match self { $(Self::$variant => $code,)* } }

            /// Short name as it stands in leaves, e.g. `no-grant`.
            pub fn slug(self) -> &'static str { match self { $(Self::$variant => $slug,)* } }

            /// Title in Chinese.
            pub fn zh(self) -> &'static str { match self { $(Self::$variant => $zh,)* } }

            /// Title in English.
            pub fn en(self) -> &'static str { match self { $(Self::$variant => $en,)* } }

            /// What the caller can do next: one sentence or command.
            pub fn next(self) -> &'static str { match self { $(Self::$variant => $next,)* } }
        }
    };
}

refusals! {
    NoCertificate "SG1101" "no-certificate" "未提供客户端证书" "no client certificate was presented" "send the certificate that the gateway issued to you: `shuguan cert inspect`";
    UnknownIssuer "SG1102" "unknown-issuer" "证书签发机构未知" "the certificate's issuer is not known here" "use a certificate that this gateway's authority issued";
    CertificateExpired "SG1103" "certificate-expired" "证书已过期或尚未生效" "the certificate is outside its validity" "renew it: `shuguan cert renew`";
    CertificateRevoked "SG1104" "certificate-revoked" "证书已吊销" "the certificate is revoked" "ask the gateway's security officer for a new one";
    RevocationListExpired "SG1105" "crl-expired" "吊销列表已过期" "the gateway's revocation list is too old to judge a certificate" "the operator must run `shuguan crl issue`";
    CertificateProfile "SG1106" "certificate-profile" "证书不符合规范" "the certificate does not follow the partner profile" "`shuguan cert inspect` shows what it says; ask the gateway's security officer for one by the profile";
    WrongRole "SG1107" "wrong-role" "证书角色不适用于此端口" "a certificate of this role may not use this listener or route" "agencies push, the registry pulls and compares, both at the feed listener: `shuguan catalog`; officers use the console listener";
    UnknownPartner "SG1108" "unknown-partner" "单位未登记" "no partner has this identity" "the policy officer must add it to partners.toml";
    HandshakeFailed "SG1109" "handshake-failed" "TLS握手失败" "the TLS handshake failed" "the gateway speaks TLS 1.3 only";

    BadRequest "SG2101" "bad-request" "请求格式错误" "the request is malformed" "see `detail`; how it is said shows the `--help` of the command that asked";
    MissingPurpose "SG2102" "missing-purpose" "缺少用途" "the header `Exchange-Purpose` is missing or unreadable" "send `Exchange-Purpose: enrolment.registration` or another purpose of your grant: `shuguan catalog`";
    BadIdempotencyKey "SG2103" "bad-idempotency-key" "缺少幂等键或格式错误" "the header `Idempotency-Key` is missing or not 1 to 128 visible characters" "send a fresh UUID for each batch, and the same one when repeating it";
    KeyReused "SG2104" "idempotency-key-reused" "幂等键已用于其他内容" "this idempotency key was used with other content" "send new content under a new key";
    KeyInFlight "SG2105" "idempotency-key-in-flight" "相同幂等键的请求仍在处理" "a request with this idempotency key is still being handled" "repeat after the time in `Retry-After`";
    BadDigest "SG2106" "digest-mismatch" "内容摘要不符" "the body does not have the digest that `Content-Digest` states" "compute sha-256 over the bytes as sent and repeat";
    BodyTooLarge "SG2107" "body-too-large" "请求体过大" "the body is larger than this gateway takes" "split the file; the limit stands in `limit_bytes`";
    BodyTooSlow "SG2108" "body-too-slow" "上传过慢" "the body came too slowly or stopped" "repeat with the same idempotency key";
    BodyIncomplete "SG2109" "body-incomplete" "上传中断" "the body ended early" "repeat with the same idempotency key";
    RateLimited "SG2110" "rate-limited" "请求过于频繁" "more requests than this partner's rate allows" "repeat after the time in `Retry-After`";
    TooManyAtOnce "SG2111" "too-many-at-once" "并发请求过多" "more requests at once than this partner may have" "wait for one of them to end";
    InboxFull "SG2112" "inbox-full" "待入库队列已满" "the inbox, or the half of it that one partner may hold, is full; the registry is behind" "repeat after the time in `Retry-After`";
    InboxOverdue "SG2122" "inbox-overdue" "已受理批次待入库超时" "a batch of yours waits for the registry for longer than any may; it is kept, and nothing new is taken until it is in" "keep the batch and repeat after the time in `Retry-After`; the operator sees what holds the registry up: `shuguan relay status`";
    SpoolFull "SG2121" "spool-full" "提取暂存空间已满" "prepared extracts fill the room that they may take, or that their disk has" "fetch what is ready, and ask again after the time in `Retry-After`; the operator makes room on the disk, or sets `spool_bytes_max`";
    ModeUnsupported "SG2113" "mode-unsupported" "不支持的交换方式" "this `Exchange-Mode` is not offered" "send `upsert`, `delta` or `snapshot`, or leave the header out";
    NotFound "SG2114" "not-found" "未找到" "there is no such thing, or it is not yours" "compare the id or path with the one that was answered; an exchange shows to its own partner alone: `shuguan status EXCHANGE`; types and datasets of yours: `shuguan catalog`";
    MethodNotAllowed "SG2115" "method-not-allowed" "方法不允许" "this route does not take this method" "`shuguan push` and `shuguan pull` use the methods that are taken: `shuguan push --help`";
    Draining "SG2116" "draining" "网关正在停止" "the gateway is shutting down" "repeat after the time in `Retry-After`";
    Overloaded "SG2117" "overloaded" "网关繁忙" "the gateway has as much work as it may take" "repeat after the time in `Retry-After`";
    UnacceptableForm "SG2118" "not-acceptable" "无法提供所需格式" "this form of answer is not offered" "ask for a form that is offered: `shuguan rejects --help`";
    BadManner "SG2119" "bad-manner" "交换方式、范围、条数或常量声明有误" "`Exchange-Mode`, `Exchange-Scope` and `Exchange-Count` do not fit together, or `Exchange-Constants` states what it may not" "a snapshot has a scope and a count, nothing else has a scope; constants are codes that the layout lets be stated and the grant releases as they are: `shuguan push --help`";
    BadLogPath "SG2131" "bad-log-path" "存证日志路径格式错误" "the path is not that of a tile, an entry bundle or an entry" "paths are those of C2SP tlog-tiles: `/log/tile/0/x001/234`, `/log/tile/entries/000.p/17`, `/log/entries/17`";
    NotInLog "SG2132" "not-in-log" "存证日志尚无此内容" "the log is not long enough to have this" "read `/log/checkpoint` first and ask for what its size calls for";
    UnknownLayout "SG2120" "unknown-layout" "没有该名称的版式" "no layout of this name is set up for this partner and record type" "see `layouts` in `shuguan catalog`, or ask the operator to add it to shuguan.toml";
    BadSignature "SG2151" "bad-signature" "报文签名无效" "the request's message signature does not hold or is not written as it must be" "see `detail`; `shuguan push` signs as it must be, with the message key of client.toml: `shuguan push --help`";
    StaleSignature "SG2152" "stale-signature" "报文签名已过期或时间不符" "the request's signature is over, lives longer than 300 seconds or was made in the future" "set the clock and sign anew; under the same idempotency key when it is the same batch";
    Replayed "SG2153" "replayed" "签名随机数已用过" "this nonce was used for another request" "sign each request with a fresh nonce of 16 random bytes";
    SignatureRequired "SG2154" "signature-required" "要求报文签名" "this partner has to sign its requests" "name a message key in client.toml: `shuguan cert request`, then `shuguan cert issue --message`";
    SignatureForbidden "SG2155" "signature-forbidden" "不接受该单位的报文签名" "no message signatures are taken from this partner" "leave `Signature` and `Signature-Input` out, or ask the operator: `[require_signature]` in shuguan.toml";
    UnknownSigner "SG2156" "unknown-signer" "签名密钥未登记" "no message certificate has this key" "the gateway must issue one, and reload: `shuguan cert issue CSR --partner ID --message`";
    SignerMismatch "SG2157" "signer-mismatch" "签名密钥属于其他单位" "the key that signed belongs to another partner than the certificate of the connection" "sign with your own message key";
    SignerRevoked "SG2158" "signer-revoked" "签名证书已吊销" "the message certificate of this key is revoked" "ask the gateway's security officer for a new one";
    SignerExpired "SG2159" "signer-expired" "签名证书已过期或尚未生效" "the message certificate of this key is outside its validity" "renew it: `shuguan cert renew --message`";
    AlreadyRecalled "SG2161" "already-recalled" "该批次已撤回" "this batch was recalled before" "see what became of it: `shuguan status EXCHANGE`; a corrected batch is a new push";
    TooManyTickets "SG2162" "too-many-tickets" "当日核实请求过多" "this source was asked to check as much as it may be asked in a day" "ask again tomorrow; what is urgent goes by telephone";
    LogNameTaken "SG2163" "log-name-taken" "日志名称已被使用" "a log had this name before, and a name means one log for ever" "name another: `shuguan log turn` proposes one";
    AckMismatch "SG2160" "ack-mismatch" "确认内容与发放记录不符" "the acknowledgement names another exchange, leaf or digest than was released" "name what the extract's receipt and `Repr-Digest` say; `damaged` when it came otherwise";

    UnsupportedType "SG3101" "unsupported-type" "不支持的文件格式" "this `Content-Type` or charset is not taken" "send a type that `shuguan push --help` names, e.g. `text/csv`, `charset=utf-8` or `charset=gb18030`";
    UnsupportedCoding "SG3102" "unsupported-coding" "不支持的内容编码" "this `Content-Encoding` is not taken" "send `gzip` or `zstd`, or the body uncompressed";
    BadEncoding "SG3103" "bad-encoding" "字符编码错误" "the body is not in the charset that it declares or that its first bytes show" "check the charset: `shuguan check FILE --record …`";
    BadHeaderRow "SG3104" "bad-header-row" "表头错误" "the header row lacks a required field or names one twice" "compare with `shuguan catalog`";
    TooManyRejects "SG3105" "too-many-rejects" "不合格记录过多" "more records are rejected than the configured share" "correct the rows that are listed, in the answer or by `shuguan rejects EXCHANGE`; before it is sent again: `shuguan check FILE --record …`";
    Unreadable "SG3106" "unreadable" "文件无法读取" "the body as a whole cannot be read as the declared format" "check the file: `shuguan check FILE --record …`";
    BadCompression "SG3109" "bad-compression" "压缩内容损坏" "the compressed content is damaged, ends early or is of another coding" "compress the file anew, or send it uncompressed";
    ExpandsTooFar "SG3110" "expands-too-far" "解压后过大" "the compressed content unpacks to more than is taken, or to far more than its size" "split the file, or send it uncompressed";
    WrongTrailer "SG3108" "wrong-trailer" "尾行与内容不符" "the last line does not say what the file holds, or is missing" "the file was cut or changed: send the whole file again";
    CountMismatch "SG3111" "count-mismatch" "条数与声明不符" "the body holds another number of records than `Exchange-Count` states" "send the whole file, or count its records again: `shuguan check FILE --record …`";
    OutOfScope "SG3112" "out-of-scope" "没有记录在快照范围内" "no record of the snapshot lies within its `Exchange-Scope`" "state the scope that the file has, or send the file that has the scope";
    NoAction "SG3113" "no-action" "增量文件缺少操作列" "a delta has no column that says insert, update or delete" "add a column `op` with I, U or D, or send it as an upsert";
    DoubtfulHeader "SG3114" "doubtful-header" "表头指向不明，可能是他人信息" "a column may be about somebody else than the record is, or about a member more than a row may have" "say in the header whose it is, e.g. 死者身份证号; or let the operator map the headers in a layout: `headers = { \"…\" = \"citizen_id\", \"…\" = \"-\" }`";
    DeleteOutsideDelta "SG3115" "delete-outside-delta" "非增量报送中含删除行" "a row says that its record is gone, and only a delta takes records away" "push it as a delta: `shuguan push FILE --delta`, `Exchange-Mode: delta`";
    StatedOtherwise "SG3116" "stated-otherwise" "记录与声明的常量不符" "a row says something else than `Exchange-Constants` states of the whole file" "state what the file is of: `--layout NAME --constant month=202511`; or state nothing of a column that the file has";
    FileTooLarge "SG3126" "file-too-large" "文件过大" "a workbook is held in memory, and this one is larger than may be held" "split it, or save it as CSV UTF-8: lines of text have no such limit";
    ProtectedFile "SG3121" "protected-file" "文件已加密" "the file is encrypted or opens with a password" "save it without a password";
    ActiveContent "SG3122" "active-content" "文件含有宏或外部链接" "the workbook carries macros or refers to other files" "save it as .xlsx with values instead of formulas: 另存为 .xlsx，选择性粘贴为数值";
    OtherForm "SG3123" "other-form" "文件实际格式与声明不符" "the file is of another form than it is called or declared" "open it and save it as .xlsx or CSV UTF-8; or declare what it is";
    NoSuchSheet "SG3124" "no-such-sheet" "没有该工作表" "the workbook has no sheet of the name that was asked for" "name one of its sheets: `--sheet NAME`";
    UnreadColumn "SG3125" "unread-column" "字段类型不支持(备注等)" "a granted field lies in a column whose type is not read, such as a memo in a file of its own" "convert the column into text of fixed width";
    SeveralSheets "SG3127" "several-sheets" "多个工作表含有记录" "several sheets of the workbook hold records of this type, and none was named" "name the sheet that is meant, or send each by itself: `--sheet NAME`, or of a page `--sheet-number N`";
    EmptyBatch "SG3107" "empty-batch" "没有记录" "the body holds no record" "look at the file: below its header row there is none, or it is another sheet or file than was meant: `shuguan check FILE --record …`; where it is wrapped in another document, as SOAP does, a layout names the element: `shuguan config example`";
    SecrecyMark "SG3120" "secrecy-mark" "含有密级标志" "a row bears a secrecy mark; nothing of the batch was taken" "take what is classified out of the file: nothing that bears a secrecy mark may come this way";

    UnknownRecordType "SG4101" "unknown-record-type" "数据类不存在" "there is no such record type" "see what may be pushed: `shuguan catalog`";
    ForeignRecordType "SG4102" "foreign-record-type" "不是本部门的数据类" "this record type belongs to another agency" "see what may be pushed: `shuguan catalog`";
    NoGrant "SG4103" "no-grant" "没有授权" "no grant names this partner, data and purpose" "see what is granted: `shuguan catalog`; ask the policy officer for an agreement";
    BadPurpose "SG4104" "bad-purpose" "用途不存在或不可请求" "this purpose does not exist or cannot be requested" "name a leaf of the purpose tree: `shuguan catalog`";
    AgreementExpired "SG4105" "expired" "协议已过期" "the agreement has expired" "the policy officer must renew it";
    AgreementNotYet "SG4106" "not-yet" "协议尚未生效" "the agreement is not valid yet" "wait until it is valid";
    OutsideHours "SG4107" "outside-hours" "不在允许时段" "the grant does not hold at this hour" "see `shuguan catalog` for the hours";
    UnknownDataset "SG4108" "unknown-dataset" "数据集不存在" "there is no such dataset" "datasets are `population` and `enterprises`";
    BadSelection "SG4109" "bad-selection" "选择条件或比对内容不符合授权" "the grant does not allow selecting by this field, or a claim is missing or malformed" "see `select_by` and `require` in `shuguan catalog`";
    FieldNotGranted "SG4110" "field-not-granted" "字段未授权" "a field was asked for that the grant does not hold" "see the fields in `shuguan catalog`";
    CaseRequired "SG4111" "case-required" "缺少案件编号" "an extract or comparison names the case that it is for" "add `--case NO`";
    TooManyRows "SG4113" "too-many-rows" "超出单次允许行数" "there are more rows than may go in one push, extract or comparison" "split the file, or narrow the selection; see `limits` in `shuguan catalog`";
    QuotaExceeded "SG4112" "quota" "超出授权额度" "the grant's quota is used up" "repeat after the time in `Retry-After`; where `fits_no_day` is true, no day has room for so much at once: split it";

    TooManyAbsent "SG4115" "too-many-absent" "查无比例过高，授权暂停" "too many of the last hour's answers were `absent`; the grant rests" "ask about persons whose documents you hold; repeat after the time in `Retry-After`";
    GrantRevoked "SG4114" "revoked" "授权已撤销" "the policies in force do not hold this grant any more" "see what is granted: `shuguan catalog`; ask the policy officer";
    GrantChanged "SG4116" "grant-changed" "授权已变更" "the policies in force changed this grant since the request was made; nothing more is accepted or given under it" "where there is a `Retry-After`, repeat; an extract, or a comparison that was answered before, is asked for under a new key: it is judged by the grant in force then; see `shuguan catalog`";

    JournalUnavailable "SG5101" "journal-unavailable" "交换台账不可用" "the journal cannot commit; nothing was accepted" "repeat with the same idempotency key after the time in `Retry-After`";

    Unwitnessed "SG5102" "unwitnessed" "日志未获见证，暂停交换" "no quorum of witnesses has signed the log for longer than is allowed for this purpose; nothing was accepted or prepared" "repeat with the same idempotency key after the time in `Retry-After`; the operator sees which witness is missing in /readyz";
    WitnessSilent "SG5104" "witness-silent" "见证人未答复" "a witness does not answer, so nobody can tell whether it knows a log of this name" "repeat when it answers: `shuguan doctor`";
    LogDisputed "SG5103" "log-disputed" "日志与见证人所见不一致" "a witness holds another history that this log signed; no push, extract or comparison is taken until a person has looked" "tell the operator: `shuguan doctor`; repeat later with the same idempotency key";

    RegistryUnavailable "SG6101" "registry-unavailable" "登记库不可用" "the registration database does not answer" "repeat after the time in `Retry-After`";
    ExtractNotReady "SG6102" "extract-not-ready" "提取尚未完成" "the extract is still being prepared" "wait: `GET` it with `Prefer: wait=30`";
    BadRange "SG6104" "bad-range" "范围超出内容" "the range begins beyond the end of the content" "ask from within the content; its length stands in `bytes` of the extract";
    ExtractGone "SG6103" "extract-gone" "提取已过期" "the extract has expired" "request it again";

    BundleFaulty "SG7201" "bundle-faulty" "策略包有错误" "the bundle does not load" "show every fault: `shuguan policy check BUNDLE`";
    BundleUnsigned "SG7202" "bundle-unsigned" "策略包未签名" "nobody has signed the bundle" "a policy officer and a security officer sign it: `shuguan policy sign BUNDLE -c OFFICER.toml`";
    BundleMalformed "SG7203" "bundle-malformed" "签名文件格式错误" "`bundle.sig` is not as `policy sign` writes it" "remove it and let both officers sign again: `shuguan policy sign BUNDLE -c OFFICER.toml`";
    BundleTampered "SG7204" "bundle-tampered" "策略包与签名不符" "the bundle is not the one that was signed" "compare it with the officers' copy, or let both sign again: `shuguan policy sign BUNDLE -c OFFICER.toml`";
    BundleSigner "SG7205" "bundle-signer" "签名或签名人证书无效" "a signature does not hold, or its certificate may not sign" "see `detail`; let an officer with a valid certificate sign again: `shuguan policy sign BUNDLE -c OFFICER.toml`";
    BundleQuorum "SG7206" "bundle-quorum" "缺少另一角色的签名" "a policy officer and a security officer have to sign, each with a key of his own" "the missing one signs: `shuguan policy sign BUNDLE -c OFFICER.toml`";
    BundleStale "SG7207" "bundle-stale" "策略包序号过旧" "the serial number is not above the highest that was in force" "sign on top of the bundle in force: `shuguan policy sign BUNDLE --after IN-FORCE -c OFFICER.toml`";
    BundleBase "SG7208" "bundle-base" "策略包的前一版本不是现行版本" "the bundle was signed to replace another one than that in force" "sign on top of the bundle in force: `shuguan policy sign BUNDLE --after IN-FORCE -c OFFICER.toml`";
    BundleGoesBack "SG7209" "bundle-goes-back" "回退未经签名声明" "an older bundle comes back, and the envelope does not name the serial in force that it goes back from" "say so in the signature: `shuguan policy sign BUNDLE --after IN-FORCE --rollback -c OFFICER.toml`";
    BundleUnfit "SG7210" "bundle-unfit" "登记库与策略包不符" "the registry does not have the columns that the bundle releases" "the operator runs `shuguan db migrate --bundle BUNDLE`, then submit again";

    SelfApproval "SG8104" "self-approval" "不得自行批准" "who asks to open an evidence record does not approve it" "an auditor of another unit approves: `shuguan audit unseal approve EXCHANGE -c HIS.toml`";
    SameUnit "SG8105" "same-unit" "批准人与申请人同属一个单位" "who approves has to be of another unit than who asks" "let an auditor of another unit approve";
    UnsealExpired "SG8106" "unseal-expired" "申请已过期" "the statement is older than 24 hours" "ask anew: `shuguan audit unseal ask EXCHANGE --case NO --why CODE -c OFFICER.toml`";
    BadStatement "SG8107" "bad-statement" "声明或签名无效" "the statement is not as it is written, is about something else, or its signature does not hold" "let `shuguan audit unseal` write and sign it; compare the clocks";
    NotApproved "SG8108" "not-approved" "没有相应的申请或批准" "nobody asked for this, or nobody has approved it" "see `shuguan audit unseal list -c OFFICER.toml`";
    EvidenceGone "SG8103" "evidence-gone" "存证记录已销毁" "the evidence record of this exchange was destroyed, or is of a version that kept no columns" "the receipt goes on verifying; columns can no longer be opened";

    ReasonRequired "SG8101" "reason-required" "缺少案件编号或理由" "an officer's search names a case and a reason code" "add `--case NO --why CODE`";
    CrossSite "SG8102" "cross-site" "跨站请求" "the request came from another site" "open the console directly";
}

impl Refusal {
    /// The refusal with that code or slug.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|refusal| refusal.code().eq_ignore_ascii_case(text) || refusal.slug() == text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Refusal;

    #[test]
    fn codes_and_slugs_are_never_used_twice() {
        let codes: BTreeSet<_> = Refusal::ALL.iter().map(|r| r.code()).collect();
        let slugs: BTreeSet<_> = Refusal::ALL.iter().map(|r| r.slug()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert_eq!(slugs.len(), Refusal::ALL.len());
    }
}

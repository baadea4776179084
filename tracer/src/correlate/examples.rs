//! Requests and calls put together by hand, for tests.

use super::model::{Body, Call, CallState, Length, Link, Owner, Request};
use super::request::api_version;
use crate::decode::{Hit, Missing, Value};
use crate::plan::SiteKind;

pub fn request(method: &str, path: &str, query: &str) -> Request {
    Request {
        id: 1,
        goid: Some(1),
        start: 0,
        end: Some(1),
        method: method.into(),
        api_version: api_version(&path.into()),
        path: path.into(),
        query: query.into(),
        user_agent: None,
        body: Body {
            length: Length::Bytes(0),
            content_type: None,
        },
        status: Some(200),
        bytes: None,
        hijacked: Some(false),
        waits_for: None,
        client: Err(Missing::NotPlanned),
        layers: None,
        sample: None,
        state: CallState::Returned,
    }
}

pub fn call(func: u32, params: Vec<Value>, parent: Option<usize>) -> Call {
    Call {
        func,
        goid: Some(1),
        tid: 1,
        depth: 1,
        start: 0,
        end: Some(1),
        params,
        results: Vec::new(),
        out: Vec::new(),
        stack: Vec::new(),
        state: CallState::Returned,
        owner: Owner::Request {
            request: 0,
            link: Link::SameGoroutine,
        },
        parent,
        born_in: None,
        sample: None,
        shared_with: Vec::new(),
    }
}

pub fn hit() -> Hit {
    Hit {
        site: 0,
        func: 0,
        kind: SiteKind::Entry,
        ktime: 9,
        tgid: 1,
        tid: 1,
        goid: Some(1),
        g: crate::addr::ProcessAddr(0),
        parent_goid: None,
        lost_before: 0,
        on_own_stack: true,
        depth: 1,
        stack: Vec::new(),
        values: Vec::new(),
        out: Vec::new(),
        incomplete: None,
        masked: 0,
    }
}

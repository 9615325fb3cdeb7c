//! Files, by their path after `/file/…`: GET reads, PUT writes the body as it streams (`?type=`, `?etag=`,
//! `?absent`), DELETE deletes; `?stat`, `?copy=`, `?move=`, `?sign=get|put&seconds=` (with `?type=` and
//! `?size=`, and `?of=` for a path with other letters), `?part=3-5`, and `?give-up` drops an upload
//! half-way. PUT with `?make=` writes so many mebibytes of its own, with `?of=` what is in another file; GET
//! with `?pass` leaves the host to answer, with `?count` counts bytes, with `?peek` reads the first piece alone.
//! `/files-under?prefix=&after=&limit=` lists.

use koyalite::{Error, Method, Request, Response, Result, files};
use serde_json::json;

use super::{number, number_or};

pub async fn file(request: &Request, path: &str) -> Result<Response> {
    match request.method() {
        Method::Put => put(request, path).await,
        Method::Delete => {
            files::delete(path).await?;
            Ok(Response::status(204))
        }
        _ => get(request, path).await,
    }
}

async fn put(request: &Request, path: &str) -> Result<Response> {
    let mut put = files::put(path, "");
    if let Some(kind) = request.query("type") {
        put = put.mime_type(kind);
    }
    if let Some(etag) = request.query("etag") {
        put = put.if_etag(etag);
    }
    if request.query("absent").is_some() {
        put = put.if_absent();
    }
    if let Some(mib) = request.query("make") {
        return Response::json(&make(put, number(&mib)?).await?);
    }
    if let Some(other) = request.query("of") {
        return Response::json(&put.copy(files::open(other).await?).await?);
    }
    if request.query("whole").is_some() {
        let content = request.bytes().await?;
        return Response::json(&files::put(path, content).send().await?);
    }
    if request.query("give-up").is_some() {
        let mut upload = put.begin().await?;
        upload.write(request.bytes().await?).await?;
        drop(upload);
        return Ok(Response::status(204));
    }
    Response::json(&put.stream(request.body()?).await?)
}

async fn make(put: files::Put, mib: usize) -> Result<files::File> {
    let mut upload = put.begin().await?;
    for number in 0..mib {
        upload.write(vec![u8::try_from(number % 251)?; 1 << 20]).await?;
    }
    Ok(upload.finish().await?)
}

async fn get(request: &Request, path: &str) -> Result<Response> {
    if request.query("stat").is_some() {
        return Response::json(&files::stat(path).await?);
    }
    if let Some(target) = request.query("copy") {
        return Response::json(&files::copy(path, target).await?);
    }
    if let Some(target) = request.query("move") {
        return Response::json(&files::rename(path, target).await?);
    }
    if let Some(method) = request.query("sign") {
        let of = request.query("of");
        let path = of.as_deref().unwrap_or(path);
        let seconds: u32 = number_or(request, "seconds", 60)?;
        let size = request.query("size").map(|size| number(&size)).transpose()?;
        let url = match method.as_str() {
            "get" => files::sign_get(path, seconds).await?,
            _ => files::sign_put(path, seconds, request.query("type").as_deref(), size).await?,
        };
        return Response::json(&json!({ "url": url }));
    }
    let mut download = match request.query("part") {
        Some(part) => {
            let wrong = || Error::bad_request("write a part as 3-5");
            let (start, end) = part.split_once('-').ok_or_else(wrong)?;
            files::open_part(path, number(start)?, Some(number(end)?)).await?
        }
        None => files::open(path).await?,
    };
    if request.query("pass").is_some() {
        return Ok(Response::download(download));
    }
    if request.query("peek").is_some() {
        let piece = download.next().await?.unwrap_or_default();
        return Ok(Response::text(piece.len().to_string()));
    }
    if request.query("count").is_some() {
        let mut bytes = 0;
        while let Some(piece) = download.next().await? {
            bytes += piece.len();
        }
        return Ok(Response::text(bytes.to_string()));
    }
    let kind = download.file.mime_type.clone();
    let response = Response::stream(async move |mut sender| {
        while let Some(piece) = download.next().await? {
            sender.send(piece).await?;
        }
        Ok(())
    });
    Ok(response.with_header("content-type", kind))
}

pub async fn under(request: &Request) -> Result<Response> {
    let limit = request.query("limit").map(|limit| number(&limit)).transpose()?;
    let prefix = request.query("prefix").unwrap_or_default();
    Response::json(&files::list(prefix, request.query("after"), limit).await?)
}

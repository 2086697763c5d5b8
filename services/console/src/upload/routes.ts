/** The requests of an upload, to this server. */
import { answered, api, PAGE_HEADER, refusal, RequestError } from "../api/client";
import type { UploadRoutes } from "./sending";

export const routes: UploadRoutes = {
  begin: (described) => answered(api.POST("/api/frames/upload", { body: described })),
  complete: (id) => answered(api.POST("/api/frames/upload/{upload_id}/complete", { params: { path: { upload_id: id } } })),
  look: (id) => answered(api.GET("/api/frames/upload/{upload_id}", { params: { path: { upload_id: id } } })),
  sendPart,
};

export const giveUp = (id: string) =>
  answered(api.DELETE("/api/frames/upload/{upload_id}", { params: { path: { upload_id: id } } }));

/** Sends a part by `XMLHttpRequest`, as `fetch` does not tell how much of a body has been sent. */
function sendPart(id: string, number: number, part: Blob, sent: (bytes: number) => void, end: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    end.addEventListener("abort", stop);
    request.open("PUT", `/api/frames/upload/${encodeURIComponent(id)}/parts/${number}`);
    for (const [name, value] of Object.entries(PAGE_HEADER)) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => sent(Math.min(event.loaded, part.size));
    request.onabort = () => reject(new RequestError("The upload was given up.", 0));
    request.onerror = () => reject(new RequestError("The server does not answer.", 0));
    request.onload = () => {
      if (request.status === 200) resolve(String((request.response as { sha256: unknown }).sha256));
      else reject(refusal(request.response, request.status));
    };
    request.onloadend = () => end.removeEventListener("abort", stop);
    request.send(part);
  });
}

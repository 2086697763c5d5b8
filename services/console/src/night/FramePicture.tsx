import { useEffect, useState } from "preact/hooks";
import { answered, api, type Frame } from "../api/client";

/** The small picture of a frame. Links are good for some hours: where one is no more, another is asked for, once. */
export function FramePicture({ frame }: { frame: Frame }) {
  const told = frame.thumbnails?.find((each) => each.url)?.url ?? null;
  const [link, setLink] = useState(told);
  const [failures, setFailures] = useState(0);
  useEffect(() => {
    setLink(told);
    setFailures(0);
  }, [frame.basename, told]);

  function failed() {
    setFailures(failures + 1);
    setLink(null);
    if (failures > 0) return;
    answered(api.GET("/api/pictures/{basename}", { params: { path: { basename: frame.basename }, query: { width: 200 } } }))
      .then((picture) => setLink(picture.url))
      .catch(() => undefined); // it is said that there is none
  }

  if (link === null) return <div class="picture none">{told === null ? "no picture yet" : "the picture cannot be loaded"}</div>;
  return <img class="picture" src={link} alt="" width={200} height={150} loading="lazy" decoding="async" onError={failed} />;
}

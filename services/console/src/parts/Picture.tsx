import { useEffect, useRef, useState } from "preact/hooks";
import { answered, api } from "../api/client";

/** The small picture of a frame, whose link is asked for when it comes into sight; of an output the link is known. */
export function Picture({ basename, link }: { basename: string; link: string | null }) {
  const place = useRef<HTMLDivElement>(null);
  const [found, setFound] = useState(link);

  useEffect(() => {
    setFound(link);
    const element = place.current;
    if (link !== null || element === null) return;
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      answered(api.GET("/api/pictures/{basename}", { params: { path: { basename }, query: { width: 200 } } }))
        .then((picture) => setFound(picture.url))
        .catch(() => undefined); // there is none yet: the name stands below
    });
    seen.observe(element);
    return () => seen.disconnect();
  }, [basename, link]);

  return <div class="small-picture" ref={place}>{found !== null && <img src={found} alt="" loading="lazy" decoding="async" />}</div>;
}

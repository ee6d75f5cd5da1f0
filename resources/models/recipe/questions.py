# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Questions with exact answers about the scenes of scenes.py, in both languages."""
import math

import language as L


def count_of(objs, colour=None, shape=None):
    return sum((colour is None or o["colour"] == colour) and (shape is None or o["shape"] == shape) for o in objs)


def unique_phrase(o, objs, rng, allow_pairs=True):
    """(colour, shape) with None where the attribute is left out, naming o alone; or None."""
    options = []
    if count_of(objs, o["colour"], o["shape"]) == 1:
        options += [(o["colour"], o["shape"])] * 2
    if count_of(objs, None, o["shape"]) == 1:
        options.append((None, o["shape"]))
    if count_of(objs, o["colour"], None) == 1 and rng() < 0.6:
        options.append((o["colour"], None))
    return options[int(rng() * len(options))] if options else None


def beyond(a, b, d):
    """Signed clearance of b beyond a in direction d, in pixels of centre distance."""
    return {"left": a["mx"] - b["mx"], "right": b["mx"] - a["mx"], "above": a["my"] - b["my"], "below": b["my"] - a["my"]}[d]


class Asker:
    """Questions with exact answers about a scene. `held` draws only held-out sentence forms."""

    def __init__(self, rng, held=False, any_pairs=False):
        self.rng = rng
        self.r = rng.random
        self.held = held
        self.any_pairs = any_pairs
        self.refs = None, None
        self.names = []                 # (phrase, the one object it names) of the last question
        self.about = None               # (colour, shape) of the object whose colour or shape alone the answer names
        self.kinds = [("count", 0.19), ("colour", 0.06), ("shape", 0.06), ("exist", 0.09), ("relation", 0.30), ("size", 0.10),
                      ("describe", 0.11), ("unknown", 0.04), ("ground", 0.05)]

    def places(self, sc):
        """Of the two objects of the last question centre and size, as shares of the sides; -1 for none. [6]"""
        short = min(sc["w"], sc["h"])
        return [v for o in self.refs for v in ((o["mx"] / sc["w"], o["my"] / sc["h"], o["size"] / short) if o else (-1.0, -1.0, -1.0))]

    def trained(self, c, s):
        return self.any_pairs or (c, s) not in L.HELD_OUT_PAIRS

    def finish(self, lang, q, a, kind, first=None, second=None):
        """first: the object named first; second: the one named second, or else the one the answer names. Training asks where they are"""
        self.refs = first, second
        q = L.dress(lang, q, self.r, self.held, kind)
        return q, a, kind, lang

    def draw(self, group, lang, **fill):
        return (L.E if lang == "en" else L.Z)[group].draw(self.r, self.held, **fill)

    def ph(self, lang, c, s, plural=False):
        return L.phrase(lang, c, s, self.r, plural)

    def name(self, lang, p, o):
        """A phrase for the object o that the attributes p single out."""
        s = self.ph(lang, *p)
        self.names.append((s, o))
        return s

    def named(self, sc, q):
        """[(end of a phrase in q, [x, y, size, width, height] of the object it names)] of the last question; phrases that are not found
        once are left out"""
        w, h, low = sc["w"], sc["h"], q.lower()
        return [(low.index(n.lower()) + len(n), [o["mx"] / w, o["my"] / h, o["size"] / min(w, h), (o["box"][2] - o["box"][0]) / w,
                                                 (o["box"][3] - o["box"][1]) / h])
                for n, o in self.names if low.count(n.lower()) == 1]

    # each method returns (question, answer, kind, language) or None
    def count(self, sc, lang):
        objs, r = sc["objects"], self.r
        u = r()
        if u < 0.18:
            c = s = None
        elif u < 0.48:
            c, s = None, (L.pick(objs, r)["shape"] if objs and r() < 0.82 else L.pick(L.SHAPES, r))
        elif u < 0.75:
            c, s = (L.pick(objs, r)["colour"] if objs and r() < 0.82 else L.pick(L.COLOURS, r)), None
        else:
            o = L.pick(objs, r) if objs else None
            if o is not None and r() < 0.75:
                c, s = o["colour"], o["shape"]
            elif o is not None and r() < 0.7:
                c, s = L.pick(objs, r)["colour"], L.pick(objs, r)["shape"]
            else:
                c, s = L.pick(L.COLOURS, r), L.pick(L.SHAPES, r)
            if not self.trained(c, s):
                return None
        n = count_of(objs, c, s)
        if c and not s and r() < 0.25:
            q = self.draw("count_pred", lang, Gs=L.en_generic(r, True), Y=L.en_colour(c, r) if lang == "en" else L.ZH_COLOUR[c] + "色")
        elif s and not c and r() < 0.08:
            q = self.draw("count_pred", lang, Gs=L.en_generic(r, True), Y=L.en_shape(s, r, True) if lang == "en" else L.zh_shape(s, r))
        else:
            q = self.draw("count", lang, X=self.ph(lang, c, s, True), A1=L.article(self.ph(lang, c, s)))
        return self.finish(lang, q, L.a_count(lang, n), "count")

    def colour(self, sc, lang):
        objs, r = sc["objects"], self.r
        if not objs:
            return None
        if len(objs) == 1 and r() < 0.4:
            self.about = objs[0]["colour"], objs[0]["shape"]
            return self.finish(lang, self.draw("one_colour", lang), L.a_colour(lang, objs[0]["colour"]), "colour", None, objs[0])
        if r() < 0.06:
            s = L.pick(L.SHAPES, r)
            if count_of(objs, None, s):
                return None
            a = L.CANT[lang]
        else:
            s = L.pick(objs, r)["shape"]
            if len({o["colour"] for o in objs if o["shape"] == s}) != 1:
                return None
            self.about = next(o["colour"] for o in objs if o["shape"] == s), s
            a = L.a_colour(lang, self.about[0])
        n = count_of(objs, None, s)
        x = L.en_shape(s, r, n > 1) if lang == "en" else L.zh_shape(s, r)
        if n == 1:
            self.names.append((x, next(o for o in objs if o["shape"] == s)))
        if lang == "en":
            q = self.draw("colour", lang, X=x, Xs=L.en_shape(s, r, True))
            if n > 1:
                q = q.replace(" is the ", " are the ", 1) if r() < 0.7 else q
        else:
            q = self.draw("colour", lang, X=x)
        return self.finish(lang, q, a, "colour", next((o for o in objs if o["shape"] == s), None) if n == 1 else None)

    def shape(self, sc, lang):
        objs, r = sc["objects"], self.r
        if not objs:
            return None
        if len(objs) == 1 and r() < 0.4:
            self.about = objs[0]["colour"], objs[0]["shape"]
            return self.finish(lang, self.draw("one_shape", lang), L.a_shape(lang, objs[0]["shape"]), "shape", None, objs[0])
        if r() < 0.06:
            c = L.pick(L.COLOURS, r)
            if count_of(objs, c, None):
                return None
            a = L.CANT[lang]
        else:
            c = L.pick(objs, r)["colour"]
            if len({o["shape"] for o in objs if o["colour"] == c}) != 1:
                return None
            self.about = c, next(o["shape"] for o in objs if o["colour"] == c)
            a = L.a_shape(lang, self.about[1])
        if lang == "en":
            q = self.draw("shape", lang, Y=L.en_colour(c, r))
        else:
            q = self.draw("shape", lang, Y=L.ZH_COLOUR[c] + ("色" if r() < 0.85 else ""))
        one = [o for o in objs if o["colour"] == c]
        return self.finish(lang, q, a, "shape", one[0] if len(one) == 1 else None)

    def exist(self, sc, lang):
        objs, r = sc["objects"], self.r
        want = r() < 0.5
        u = r()
        c = s = None
        if u < 0.55:
            if want and objs:
                o = L.pick(objs, r)
                c, s = o["colour"], o["shape"]
            else:
                v = r()
                c = L.pick(objs, r)["colour"] if objs and v < 0.65 else L.pick(L.COLOURS, r)
                s = L.pick(objs, r)["shape"] if objs and (v > 0.45) else L.pick(L.SHAPES, r)
        elif u < 0.8:
            s = L.pick(objs, r)["shape"] if want and objs else L.pick(L.SHAPES, r)
        else:
            c = L.pick(objs, r)["colour"] if want and objs else L.pick(L.COLOURS, r)
        if c and s and not self.trained(c, s):
            return None
        truth = count_of(objs, c, s) > 0
        one = [o for o in objs if (c is None or o["colour"] == c) and (s is None or o["shape"] == s)]
        if lang == "en":
            x = self.name(lang, (c, s), one[0]) if len(one) == 1 else self.ph(lang, c, s)
            if c and not s and r() < 0.25:
                a = f"anything {L.en_colour(c, r)}"
            else:
                a = L.article(x)
            q = self.draw("exist", lang, A=a, X=x, Xs=self.ph(lang, c, s, True))
        else:
            q = self.draw("exist", lang, X=self.name(lang, (c, s), one[0]) if len(one) == 1 else self.ph(lang, c, s))
        return self.finish(lang, q, L.a_yes(lang, truth, True), "exist")

    def relation(self, sc, lang):
        objs, r = sc["objects"], self.r
        if not objs:
            return None
        short = min(sc["w"], sc["h"])
        d = L.pick(L.DIRECTIONS, r)
        dd = L.direction_en if lang == "en" else L.direction_zh
        u = r()
        margin = 0.07 * short
        if u < 0.40:                                             # name the one beyond
            a = L.pick(objs, r)
            for _ in range(4):
                if any(o is not a and beyond(a, o, d) > margin for o in objs):
                    break
                d = L.pick(L.DIRECTIONS, r)
            p = unique_phrase(a, objs, r)
            if p is None:
                return None
            there = [o for o in objs if o is not a and beyond(a, o, d) > 0.01 * short]
            sure = [o for o in there if beyond(a, o, d) > margin]
            if len(there) != len(sure):
                return None
            if not there:
                if r() > 0.15:
                    return None
                q = self.draw("rel", lang, X=self.name(lang, p, a), D=dd(d, r))
                return self.finish(lang, q, "Nothing." if lang == "en" else "什么都没有。", "relation")
            if len(there) > 1:
                if r() < 0.9:
                    return None
                near = sorted(there, key=lambda o: math.hypot(o["mx"] - a["mx"], o["my"] - a["my"]))
                d0, d1 = (math.hypot(o["mx"] - a["mx"], o["my"] - a["my"]) for o in near[:2])
                if d1 < 1.5 * d0:
                    return None
                there = near
            b = there[0]
            v = r()
            if v < 0.2:
                q = self.draw("rel_colour", lang, X=self.name(lang, p, a), D=dd(d, r))
                self.about = b["colour"], b["shape"]
                return self.finish(lang, q, L.a_colour(lang, b["colour"]), "relation", a, b)
            if v < 0.35:
                q = self.draw("rel_shape", lang, X=self.name(lang, p, a), D=dd(d, r))
                return self.finish(lang, q, L.a_object(lang, b["colour"], b["shape"]), "relation", a, b)
            q = self.draw("rel", lang, X=self.name(lang, p, a), D=dd(d, r))
            return self.finish(lang, q, L.a_object(lang, b["colour"], b["shape"]), "relation", a, b)
        if u < 0.86:                                             # two named objects
            if len(objs) < 2:
                return None
            a, b = self.rng.sample(objs, 2)
            pa, pb = unique_phrase(a, objs, r), unique_phrase(b, objs, r)
            if pa is None or pb is None:
                return None
            if u < 0.68:
                t = beyond(b, a, d)
                if abs(t) < margin:
                    return None
                q = self.draw("rel_yn", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), D=dd(d, r))
                return self.finish(lang, q, L.a_yes(lang, t > 0, False), "relation", a, b)
            dx, dy = a["mx"] - b["mx"], a["my"] - b["my"]
            if u < 0.78:
                horizontal = d in ("left", "right")
                pair = ["left", "right"] if horizontal else ["above", "below"]
                v = dx if horizontal else dy
                if abs(v) < margin:
                    return None
                truth = pair[0] if v < 0 else pair[1]
                if r() < 0.5:
                    pair.reverse()
                if lang == "en":
                    while True:
                        self.names.clear()
                        q = self.draw("rel_which", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), D1=dd(pair[0], r) if r() < 0.5 else
                                      {"left": "left", "right": "right"}.get(pair[0], pair[0]), D2=dd(pair[1], r),
                                      S1=pair[0], S2=pair[1])
                        if horizontal or "to the above" not in q and "to the below" not in q:
                            break
                else:
                    q = self.draw("rel_which", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), D1=dd(pair[0], r), D2=dd(pair[1], r))
                asks_pair = any(k in q for k in (" or ", "还是"))
                if not asks_pair:
                    if abs(abs(dx) - abs(dy)) < 0.4 * max(abs(dx), abs(dy)):
                        return None
                    truth = ("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("above" if dy < 0 else "below")
                return self.finish(lang, q, L.a_side(lang, truth), "relation", a, b)
            v = beyond(b, a, d)
            if abs(v) < margin:
                return None
            m = L.pick((L._FURTHER if lang == "en" else L._FURTHERZ)[d], r)
            q = self.draw("further", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), M=m)
            w = a if v > 0 else b
            return self.finish(lang, q, L.a_object(lang, w["colour"], w["shape"]), "relation", a, b)
        if u < 0.94:                                             # the outermost
            if len(objs) < 2:
                return None
            key = {"left": lambda o: o["mx"], "right": lambda o: -o["mx"], "above": lambda o: o["my"], "below": lambda o: -o["my"]}[d]
            o = sorted(objs, key=key)
            if key(o[1]) - key(o[0]) < margin:
                return None
            m = L.pick((L._EXT if lang == "en" else L._EXTZ)[d], r)
            q = self.draw("extreme", lang, M=m, F=L.pick(L._FAR[d], r))
            return self.finish(lang, q, L.a_object(lang, o[0]["colour"], o[0]["shape"]), "relation", None, o[0])
        w, h = sc["w"], sc["h"]
        pos = {"left": lambda o: o["mx"] / w, "right": lambda o: 1 - o["mx"] / w, "above": lambda o: o["my"] / h,
               "below": lambda o: 1 - o["my"] / h}[d]
        inside = [o for o in objs if pos(o) < 0.5]
        if len(inside) != 1 or pos(inside[0]) > 0.42 or any(0.5 <= pos(o) < 0.58 for o in objs):
            return None
        o = inside[0]
        q = self.draw("side", lang, S=L._SIDE[d], D=L.direction_zh(d, r))
        return self.finish(lang, q, L.a_object(lang, o["colour"], o["shape"]), "relation", None, o)

    def size(self, sc, lang):
        objs, r = sc["objects"], self.r
        if len(objs) < 2:
            return None
        which = "big" if r() < 0.5 else "small"
        sign = -1 if which == "big" else 1
        m = L.pick(L._ME[which], r) if lang == "en" else L._MZ[which]

        def best(pool):
            o = sorted(pool, key=lambda o: sign * o["size"])
            big, small = (o[0], o[1]) if which == "big" else (o[1], o[0])
            if big["size"] < 1.12 * small["size"]:
                return None
            p = sorted(pool, key=lambda o: sign * o["area"])
            return o[0] if p[0] is o[0] else None
        u = r()
        if u < 0.5:
            o = best(objs)
            if o is None:
                return None
            q = self.draw("most_size", lang, M=m)
            return self.finish(lang, q, L.a_object(lang, o["colour"], o["shape"]), "size", None, o)
        if u < 0.62:
            o = best(objs)
            if o is None:
                return None
            q = self.draw("most_colour", lang, M=m, B="shape" if lang == "en" else "图形")
            self.about = o["colour"], o["shape"]
            return self.finish(lang, q, L.a_colour(lang, o["colour"]), "size", None, o)
        if u < 0.70:
            o = best(objs)
            if o is None:
                return None
            q = self.draw("most_shape", lang, M=m)
            return self.finish(lang, q, L.a_object(lang, o["colour"], o["shape"]), "size", None, o)
        if u < 0.80:
            s = L.pick(objs, r)["shape"]
            pool = [o for o in objs if o["shape"] == s]
            if len(pool) < 2 or len({o["colour"] for o in pool}) < 2:
                return None
            o = best(pool)
            if o is None:
                return None
            w = L.en_shape(s, r) if lang == "en" else L.zh_shape(s, r)
            q = self.draw("most_colour", lang, M=m, B=w, G=w, K=w)
            if w not in q:
                return None
            self.about = o["colour"], o["shape"]
            return self.finish(lang, q, L.a_colour(lang, o["colour"]), "size", None, o)
        a, b = self.rng.sample(objs, 2)
        pa, pb = unique_phrase(a, objs, r), unique_phrase(b, objs, r)
        if pa is None or pb is None or best([a, b]) is None:
            return None
        if lang == "en":
            m = L.pick(["bigger", "larger"] if which == "big" else ["smaller"], r)
        else:
            m = ("更" if u < 0.9 and r() < 0.5 else "") + ("大" if which == "big" else "小")
        w = best([a, b])
        if u < 0.9:
            q = self.draw("compare", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), M=m)
            return self.finish(lang, q, L.a_object(lang, w["colour"], w["shape"]), "size", a, b)
        q = self.draw("compare_yn", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), M=m)
        return self.finish(lang, q, L.a_yes(lang, w is a, False), "size", a, b)

    def describe(self, sc, lang):
        groups = {}
        for o in sc["objects"]:
            k = (o["colour"], o["shape"])
            groups[k] = groups.get(k, 0) + 1
        text = sc["text"]["text"] if sc["text"] else ""
        return self.finish(lang, self.draw("describe", lang), L.a_describe(lang, groups, text), "describe")

    def text(self, sc, lang):
        a = L.a_text(lang, sc["text"]["text"]) if sc["text"] else L.CANT[lang]
        return self.finish(lang, self.draw("text", lang), a, "text")

    def unknown(self, sc, lang):
        r = self.r
        if lang == "en" and r() < 0.10:
            q = L.pick(L.FOREIGN, r)
            q = (q[0].upper() + q[1:] if r() < 0.6 else q) + ("?" if r() < 0.8 else "")
            self.refs = None, None
            return q, L.CANT["en"], "unknown", "en"
        q = L.fill_unknown(lang, self.draw("unknown", lang), r)
        return self.finish(lang, q, L.CANT[lang], "unknown")

    def ground(self, sc, lang):
        objs, r = sc["objects"], self.r
        if not objs:
            return None
        o = L.pick(objs, r)
        p = unique_phrase(o, objs, r)
        if p is None:
            return None
        x = self.name(lang, p, o)
        b = o["box"]
        k = [min(999, max(0, int(round(v)))) for v in (b[0] / sc["w"] * 999, b[1] / sc["h"] * 999, b[2] / sc["w"] * 999,
                                                        b[3] / sc["h"] * 999)]
        a = f"<|ref|>{x}<|/ref|><|det|>[[{k[0]}, {k[1]}, {k[2]}, {k[3]}]]<|/det|>"
        return self.finish(lang, self.draw("ground", lang, X=x), a, "ground", o)

    def ask(self, sc, kind=None, lang=None):
        r = self.r
        self.refs, self.about = (None, None), None
        self.names.clear()
        lang = lang or ("en" if r() < 0.53 else "zh")
        if sc["junk"]:
            if kind is None or kind == "ground":
                kind = L.pick(["count", "colour", "shape", "exist", "describe", "text", "unknown", "size"], r)
            q = self.junk_question(lang)
            self.refs, self.about = (None, None), None
            self.names.clear()
            return q[0], L.CANT[lang], "unknown", lang
        if kind is None:
            u = r()
            if sc["kind"] == "text" and u < 0.75:
                kind = "text"
            elif sc["kind"] != "text" and u < 0.015:
                kind = "text"
            else:
                u = r()
                for k, p in self.kinds:
                    u -= p
                    if u <= 0:
                        kind = k
                        break
                else:
                    kind = "count"
        for _ in range({"relation": 5, "size": 3, "ground": 2}.get(kind, 1)):
            self.about = None
            self.names.clear()
            qa = getattr(self, kind)(sc, lang)
            if qa is not None:
                return qa
        return None

    def endless(self, tokens, most):
        """A question far too long to mean one thing: repeated words, many sentences, or noise, often with an ordinary question behind.
        tokens(text) -> how many it takes; at least 100, at most `most`"""
        r = self.r
        lang = "en" if r() < 0.53 else "zh"
        gap = " " if lang == "en" else ""
        few = [self.junk_question(lang)[0] for _ in range(3)] + [L.pick(L.FILL_E, r) if lang == "en" else L.pick(L.FILL_Z, r) for _ in range(3)]
        u, parts = r(), []
        for _ in range(400):
            if u < 0.3:
                parts.append(few[-1] if r() < 0.9 else few[0])
            elif u < 0.6:
                parts.append(L.pick(few, r))
            elif u < 0.8:
                parts.append(self.junk_question(lang)[0])
            elif u < 0.95:
                parts.append(L.pick(L.NOUNS if lang == "en" else L.NOUNS_Z, r) if r() < 0.5 else L.pick(L.FILL_E if lang == "en" else L.FILL_Z, r))
            else:
                parts.append(L._word(r) if lang == "en" else L._hanzi(r))
            if len(parts) % 8 == 0 and tokens(gap.join(parts)) > most:
                break
        end = few[0] if r() < 0.6 else ""
        want = 100 + int(r() * (most - 100))
        while parts and tokens(gap.join(parts) + gap + end) > want:
            del parts[:max(1, len(parts) // 12)]
        self.refs, self.about = (None, None), None
        self.names.clear()
        return (gap.join(parts) + gap + end).strip(), L.CANT[lang], "unknown", lang

    def junk_question(self, lang):
        """Any ordinary question: asked of an invented scene, its answer is dropped."""
        r = self.r
        objs = []
        for i in range(2):
            o = {"colour": L.COLOURS[int(r() * 11)], "shape": L.SHAPES[int(r() * 8)], "mx": 10 + 50 * i, "my": 12 + 45 * i,
                 "size": 10 + 20 * i, "area": 10 + 20 * i, "box": (0, 0, 1, 1)}
            objs.append(o)
        sc = {"w": 100, "h": 100, "objects": objs, "text": None, "junk": 0, "kind": "shapes"}
        while True:
            k = L.pick(["count", "count", "colour", "shape", "relation", "size", "describe", "text", "unknown"], r)
            q = getattr(self, k)(sc, lang)
            if q is not None:
                return q

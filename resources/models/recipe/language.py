# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""The words, the sentence forms and the answers of mini-vl, in English and Chinese.

Forms are written in a small notation: `[a|b]` picks one branch, `{X}` is filled in. A form that begins with `!` is held
out: training never draws it, the evaluation of new sentence forms draws nothing else.
"""
import random

COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey"]
SHAPES = ["circle", "square", "rectangle", "triangle", "star", "heart", "diamond", "cross"]
ZH_COLOUR = dict(zip(COLOURS, "红橙黄绿蓝紫粉棕黑白灰"))
ZH_SHAPE = dict(zip(SHAPES, ["圆形", "正方形", "长方形", "三角形", "五角星", "心形", "菱形", "十字形"]))
ZH_SHAPE_WORDS = {
    "circle": ["圆形", "圆形", "圆", "圆", "圆圈"], "square": ["正方形", "正方形", "正方形", "方形"],
    "rectangle": ["长方形", "长方形", "矩形", "矩形"], "triangle": ["三角形", "三角形", "三角形", "三角"],
    "star": ["五角星", "星形", "星星", "五角星", "星星"], "heart": ["心形", "心形", "爱心", "爱心", "心"],
    "diamond": ["菱形", "菱形", "菱形", "钻石形"], "cross": ["十字形", "十字", "十字形", "十字架"]}
EN_SHAPE_RARE = {"circle": ["disc", "disk"], "star": ["five-pointed star"], "diamond": ["rhombus"],
                 "cross": ["plus sign", "plus"], "heart": ["heart shape"], "square": ["square shape"],
                 "triangle": ["triangular shape"], "rectangle": ["rectangular shape"]}
HELD_OUT_PAIRS = {("green", "heart"), ("purple", "triangle"), ("orange", "diamond"), ("pink", "square"),
                  ("brown", "star"), ("blue", "cross")}
CANT = {"en": "I can't tell.", "zh": "我看不出来。"}
DIRECTIONS = ["left", "right", "above", "below"]


# ---------------------------------------------------------------------------------------------------------- form notation
def _parse(s, i=0, stop=""):
    branches, seq, buf = [], [], []

    def flush():
        if buf:
            seq.append("".join(buf))
            buf.clear()
    while i < len(s):
        ch = s[i]
        if ch == "[":
            flush()
            node, i = _parse(s, i + 1, "]")
            seq.append(node)
            continue
        if stop and ch in "|]":
            flush()
            branches.append(tuple(seq))
            seq = []
            if ch == "]":
                return tuple(branches), i + 1
            i += 1
            continue
        buf.append(ch)
        i += 1
    flush()
    return (tuple(seq),), i


def _expand(node, rng, out):
    for part in node[int(rng() * len(node))]:
        if type(part) is str:
            out.append(part)
        else:
            _expand(part, rng, out)


class Forms:
    def __init__(self, text):
        rows = [r.strip() for r in text.strip().split("\n") if r.strip()]
        self.train = [_parse(r)[0] for r in rows if not r.startswith("!")]
        self.held = [_parse(r[1:])[0] for r in rows if r.startswith("!")]

    def draw(self, rng, held=False, **fill):
        forms = self.held if held and self.held else self.train
        out = []
        _expand(forms[int(rng() * len(forms))], rng, out)
        s = "".join(out)
        if "{P}" in s:
            s = s.replace("{P}", _P[int(rng() * len(_P))])
        if "{G}" in s:
            s = s.replace("{G}", _G[int(rng() * len(_G))])
        if "{L}" in s:
            s = s.replace("{L}", _L[int(rng() * len(_L))])
        if "{K}" in s:
            s = s.replace("{K}", _K[int(rng() * len(_K))])
        if "{C}" in s:
            s = s.replace("{C}", "color" if rng() < 0.5 else "colour")
        for k, v in fill.items():
            s = s.replace("{" + k + "}", v)
        return s


_P = ["picture"] * 4 + ["image"] * 4 + ["drawing", "photo", "figure", "graphic", "scene", "canvas"]
_G = ["shape"] * 3 + ["object"] * 3 + ["figure", "thing", "item", "one"]
_L = ["图中"] * 4 + ["图里"] * 3 + ["图片中"] * 3 + ["图片里", "画面中", "画面上", "画面里", "图上", "图片上", "这张图里", "这张图中",
      "这张图片里", "图像中", "画里", "这幅图中", "画中", "这里"]
_K = ["图形"] * 4 + ["物体"] * 2 + ["形状", "东西", "图案"]

E, Z = {}, {}
E["count"] = Forms("""
[can you |could you |please |][count|tally|add up|figure out|find|determine|compute] [the {X}|all {X}|how many {X} there are|the number of {X}|how many {X} it has][| in the {P}| for me| here]
[what's|what is|give|say|write|report] the [amount|count|sum|tally|number|total] of [|the |all ]{X}[| in the {P}| here]
how many {X} [would i find|would you count|could you count|did they draw|are in it|has it got|are around][| in the {P}]
how many {X} [are we looking at|have you got|exist|are displayed|are included|are depicted|are pictured|did you find|can i see|do we have][| in the {P}| here]
what [number|amount|count] of {X} [is there|are there|do you see|is shown|is in the {P}]
[number|count|total] of {X} [visible|shown|present|drawn|there]
how many {X} there are [in|on] the {P}
{X} count[| in the {P}]
how many {X} are there[| in the {P}| in this {P}| here| in total| altogether]
how many {X} are there[| in the {P}| in this {P}]
how many {X} are [in|on] [the|this] {P}
how many {X} [can you see|do you see|are visible|are shown|appear|are present|can be seen|can you count|can you find][| in the {P}| in this {P}]
how many {X} does [the|this] {P} [contain|have|show]
how many {X} [are drawn|have been drawn][| in the {P}]
how many {X}
count the {X}[| in the {P}| in this {P}| you see]
count [all |]{X}[| in the {P}]
count how many {X} [there are|you see|are in the {P}]
[number|total number] of {X}[| in the {P}| in this {P}]
what is the [|total |exact ]number of {X}[| in the {P}]
what's the number of {X}[| in the {P}]
[tell me|say|can you tell me|could you tell me|please tell me|i want to know|do you know] how many {X} [there are|you see|are in the {P}|are there]
give [|me ]the [number|count] of {X}
in [the|this] {P}, how many {X} are there
[the|this] {P} [has|contains|shows] how many {X}
how many {X} in [the|this|total|the whole] [{P}|]
how many {X} would you say there are
what count of {X} do you get for this {P}
looking at this {P}, how many {X} do you notice
!please work out how many {X} this {P} holds
!what is the quantity of {X} [here|in the {P}]
""")
E["count_pred"] = Forms("""
how many [of the |]{Gs} are {Y}
how many {Gs} in [the|this] {P} are {Y}
how many are {Y}
count the {Gs} that are {Y}
how many [|of them ]are {Y}
!of all the {Gs}, how many are {Y}
""")
Z["count"] = Forms("""
[请|帮我|麻烦你|][数|算|统计|清点|点]一[下|数|算]{L}[的|有几个|有多少|]{X}[|有几个|有多少个|的数量|的个数]
{L}{X}[一共|总共|合计|共计|总计|到底][有|是|出现|画了][几个|多少个|多少]
{L}[总共|一共|共]有[几个|多少个|多少]{X}[呢|]
{L}{X}[一共|总共]有[几个|多少个]
[请问|]{L}的{X}[数量|个数|数目][是|有]多少
{X}[有|共有]几[个|颗]
[请|]统计[一下|]{L}[的|有几个|有多少个]{X}
{L}[能数出|能找到|可见][几个|多少个]{X}
{L}[共|总共]画了[几个|多少个]{X}
{L}[多少个|几个]{X}
{L}有[几个|多少个|几个|多少]{X}
{L}[一共|总共|共]有[几个|多少个]{X}
有[几个|多少个]{X}
[一共|总共]有[几个|多少个|多少]{X}
{L}{X}有[几个|多少个|多少]
{X}有[几个|多少个|多少]
{X}[一共|总共|共]有[几个|多少个|多少]
{L}的{X}有[几个|多少个]
{X}的[数量|个数|数目]是[多少|几]
{L}{X}的[数量|个数|数目][|是多少]
数一数[|{L}]有[几个|多少个]{X}
数[数|一下]{L}的{X}
[请数|数]出{L}{X}的[个数|数量]
[能看到|可以看到|你看到|看得到|你能看见][几个|多少个]{X}
{L}[画了|出现了|包含|存在|显示了][几个|多少个]{X}
几个{X}
{L}究竟有几个{X}呢
帮忙统计{L}{X}一共多少个
!{X}在{L}总计出现了几个
!你数到了几个{X}
""")
Z["count_pred"] = Forms("""
有[几个|多少个]{K}是{Y}
{L}有[几个|多少个]{K}是{Y}
[几个|多少个]{K}是{Y}
{Y}[|{K}]有[几个|多少个]
{K}[里|中][有几个|有多少个]是{Y}
!{L}是{Y}的{K}一共几个
""")
E["colour"] = Forms("""
what {C} [has|did they use for|was used for|do you see on] the {X}
{X} {C}
what is the {X}'s {C}
[name|state] the {C} used for the {X}
the {X}: what {C} is it
what {C} is that {X}
what {C} is the {X}[| in the {P}| in this {P}| here]
what {C} is the {X}
what is the {C} of the {X}[| in the {P}| in this {P}]
what's the {C} of the {X}
which {C} is the {X}[| in the {P}]
which {C} does the {X} have
what {C} does the {X} have
[tell me|say|name|give|identify|can you tell me] the {C} of the {X}
the {X} is [what|which] {C}
{C} of the {X}
[tell me|can you tell me|i want to know|do you know] what {C} the {X} is
what {C} is the {X} [painted|drawn|filled with|filled in]
in [what|which] {C} is the {X} [drawn|painted|shown]
in [the|this] {P}, what {C} is the {X}
the {C} of the {X} is
what {C} are the {Xs}
which {C} has been used for the {X}
how would you name the {C} of the {X}
!what {C} would you say the {X} is
!the {X} in this {P} has which {C}
""")
Z["colour"] = Forms("""
{X}是什么颜色[|的]
{X}[的颜色|颜色]是什么
{X}[是|为][哪种|什么|哪个]颜色
{L}[|的]{X}是什么颜色[|的]
{L}[|的]{X}的颜色是什么
{X}什么颜色
[说出|告诉我|说说|识别]{X}的颜色
{X}是用什么颜色画的
什么颜色的{X}
{X}的颜色
{L}{X}是哪种颜色
{X}呈现什么颜色
{L}那个{X}涂的是什么颜色
!你觉得{X}是哪一种颜色
""")
E["shape"] = Forms("""
what [is|would be] the {Y} {G}'s shape
{Y} {G} shape
what does the {Y} {G} look like
what shape is [drawn|painted|shown|filled] in {Y}
which {G} is {Y}
what {G} is {Y}
what shape is the {Y} {G}[| in the {P}| here]
what shape is the {Y} {G}
what is the shape of the {Y} {G}[| in the {P}]
what's the shape of the {Y} {G}
which shape is {Y}[| in the {P}]
what [kind|type|sort] of shape is [the {Y} {G}|{Y}]
what {Y} shape is [there|shown|in the {P}|drawn|visible]
what is the {Y} {G}[| in the {P}]
the {Y} {G} is [what|which] shape
[tell me|say|name|give|identify|can you tell me] the shape of the {Y} {G}
[tell me|can you tell me|do you know|i want to know] what shape the {Y} {G} is
what shape does the {Y} {G} have
which shape [has the {C} {Y}|does the {Y} {G} have]
what is {Y}[| in the {P}]
in [the|this] {P}, what shape is the {Y} {G}
shape of the {Y} {G}
what [form|geometric shape|figure] is the {Y} {G}
which geometric form does the {Y} {G} take
how would you name the shape of the {Y} {G}
!what shape would you say the {Y} {G} is
""")
Z["shape"] = Forms("""
{Y}[的|]{K}是什么[形状|图形|形状的]
{Y}的是什么[形状|图形]
{L}[|的]{Y}[的|]{K}是什么[形状|图形]
{Y}[的|]{K}的形状是什么
哪[个|种][图形|形状]是{Y}的
什么[形状|图形]是{Y}的
{Y}的{K}是[哪种|何种|什么样的]形状
[说出|告诉我|识别]{Y}[的|]{K}的形状
{Y}的{K}是什么
{Y}的{K}[形状|的形状]
{L}{Y}的[是什么|是什么形状]
{Y}的那个{K}属于什么形状
!{L}涂成{Y}的是哪种[形状|图形]
""")
E["one_colour"] = Forms("""
what {C} is [it|this|the {G}|the shape|this shape|this object|the object|that]
what is the {C} of [the|this] {G}
what {C} is the {G} in the {P}
which {C} [is it|do you see|is shown|is used]
what {C} do you see
!which {C} does this {G} have
""")
Z["one_colour"] = Forms("""
[这个|这|]{K}是什么颜色[|的]
[它|这]是什么颜色[|的]
{L}[|的]{K}是什么颜色[|的]
什么颜色
[这个|]{K}的颜色是什么
!这个{K}涂的是什么颜色
""")
E["one_shape"] = Forms("""
what shape is [it|this|that|shown|in the {P}|in this {P}|there|drawn|here]
what shape is the [object|figure|thing]
what [shape|figure] do you see[| in the {P}| here]
what is the shape of the [object|figure|thing][| in the {P}]
what [kind|type] of shape is [this|it|in the {P}|shown]
which shape is [this|it|shown|in the {P}|in this {P}|drawn]
which shape do you see
what shape does [the|this] {P} [show|contain]
name [the|this] shape
identify the shape[| in the {P}]
!which geometric figure is this
""")
Z["one_shape"] = Forms("""
[这|它|这个|这个图形|图形|物体]是什么[形状|图形]
{L}是什么[形状|图形]
{L}的[图形|物体]是什么形状
[这个|{L}的|]图形的形状是什么
什么形状
{L}有什么[形状|图形]
[说出|识别]{L}的形状
!这里画的是哪种图形
""")
E["exist"] = Forms("""
[can you |could you |please |][check|see|tell|confirm|verify|say] [if|whether] [there is|the {P} has|the {P} shows|you see|it contains] {A}[| in the {P}| here]
is there {A} [anywhere|somewhere|to be seen|to be found][| in the {P}]
[does|do] the {P} [depict|hold|display] {A}
are there {Xs}[| in the {P}| here]
is {A} [in|on] [the|this] {P}
is {A} part of the {P}
can {A} be [seen|found|spotted][| in the {P}| here]
{A} in the {P}
is there {A}[| in the {P}| in this {P}| here]
is there {A} in [the|this] {P}
are there any {Xs}[| in the {P}| in this {P}| here]
[does|do] [the|this] {P} [contain|have|show|include] {A}
do you see [{A}|any {Xs}][| in the {P}| in this {P}| here]
can you see [{A}|any {Xs}][| in the {P}| here]
[can|could] you [find|spot] {A}[| in the {P}| in this {P}]
is {A} [present|visible|shown|there][| in the {P}]
does {A} [appear|exist] in [the|this] {P}
is there any {X}[| in the {P}]
[tell me|please tell me|i want to know|do you know] [if|whether] there is {A}[| in the {P}]
in [the|this] {P}, is there {A}
any {Xs}[| in the {P}| here]
is there at least one {X}[| in the {P}]
has the {P} got {A}
would you find {A} in this {P}
does anything in the {P} look like {A}
!am i right that there is {A} here
!might there be {A} somewhere in this {P}
""")
Z["exist"] = Forms("""
[请|帮我|][看看|检查|确认|找找|告诉我]{L}[有没有|是否有|是不是有|有无]{X}
{L}[有|存在|出现|包含]{X}[么|吗|没有|嘛]
{L}[找得到|看得到|看得见|能看见|可以找到]{X}吗
[这里|图里]有[一个|]{X}[么|吗]
{L}是否[包含|出现|画有|存在|能看到]{X}
{X}[有吗|有没有|存在吗|在图里吗|在图中吗]
{L}有{X}吗
{L}有没有{X}
有没有{X}
有{X}吗
{L}[是否|是不是]有{X}
{L}[存在|包含|出现了|画了]{X}吗
是否[有|存在]{X}
[你|]能[看到|看见|找到]{X}吗
[能不能|可以|是否能]看到{X}[|吗]
看得到{X}吗
{X}[在图中|在图里|出现]了吗
{L}有[一个|任何]{X}吗
{L}能找到{X}吗
你[看到|看见]{X}了吗
{L}难道有{X}吗
{L}会不会有{X}
!请判断{L}是否含有{X}
""")
E["rel"] = Forms("""
what [object|shape|figure] [is|lies|sits|stands|appears] [directly |immediately |just |right |]{D} the {X}
what is [directly|immediately|just|right] {D} the {X}
{D} the {X} is
what [stands|is drawn|is positioned|is situated|is shown|is seen|can you see] {D} the {X}[| in the {P}]
which one is {D} the {X}
what is there {D} the {X}
what is {D} the {X}[| in the {P}]
what is {D} the {X}
what's {D} the {X}
what [shape|object|figure|thing|item] is {D} the {X}[| in the {P}]
which [shape|object|figure|thing|item] is {D} the {X}[| in the {P}]
what [lies|sits|is located|is placed|is found|can be seen|do you see|is there|appears] {D} the {X}
which [shape|object] [lies|sits|is located|is placed] {D} the {X}
{D} the {X} [is what|there is what|is which shape]
[tell me|say|name|can you tell me|do you know|i want to know] what is {D} the {X}
name the [shape|object] {D} the {X}
{D} the {X}, what [is there|do you see|shape is there]
what is the [shape|object|thing] {D} the {X}
identify the [shape|object] {D} the {X}
which of the shapes would you find {D} the {X}
looking {D} the {X}, what shape comes into view
!what has been drawn {D} the {X}
""")
E["rel_colour"] = Forms("""
what {C} is the [shape|object|figure|thing|one] {D} the {X}
what is the {C} of the [shape|object|figure|thing|one] {D} the {X}
which {C} is the [shape|object] {D} the {X}
the [shape|object] {D} the {X} is what {C}
!which {C} does the [shape|object] {D} the {X} have
""")
E["rel_shape"] = Forms("""
what shape is the [object|figure|thing|one] {D} the {X}
what is the shape of the [object|figure|thing|one] {D} the {X}
!which form does the object {D} the {X} have
""")
_DE = {"left": ["to the left of"] * 3 + ["left of", "on the left of", "on the left side of"],
       "right": ["to the right of"] * 3 + ["right of", "on the right of", "on the right side of"],
       "above": ["above"] * 4 + ["over", "on top of", "higher than"],
       "below": ["below"] * 3 + ["under", "under", "beneath", "underneath", "lower than"]}
_DZ = {"left": ["左边", "左边", "左侧", "左面", "左方"], "right": ["右边", "右边", "右侧", "右面", "右方"],
       "above": ["上面", "上面", "上方", "上方", "上边"], "below": ["下面", "下面", "下方", "下方", "下边"]}
Z["rel"] = Forms("""
{X}[的|][正|紧邻|]{D}[是|有]什么[图形|东西|物体|形状|]
{L}在{X}{D}的[是什么|图形是什么|物体是什么|是哪个]
{X}的{D}[画的|放的|画了]是什么
哪个[图形|物体]位于{X}[的|]{D}
{D}挨着{X}的是什么
{X}[的|]{D}[是什么|是什么图形|是什么形状|有什么|有什么图形|是哪个图形|是什么东西|是什么物体]
{X}[的|]{D}[是什么|有什么]
{L}{X}[的|]{D}[是什么|有什么|是什么图形]
在{X}[的|]{D}的是[什么|什么图形|哪个图形]
[什么|哪个][图形|物体|形状]在{X}[的|]{D}
[位于|处于]{X}{D}的[图形|物体][是什么|是哪个]
什么在{X}[的|]{D}
[说出|告诉我]{X}{D}的[图形|物体|图形是什么]
{X}{D}的[图形|物体|东西]是什么
{X}的{D}画着什么
从{X}往{D}看是哪个图形
!{X}{D}那个图形叫什么
""")
Z["rel_colour"] = Forms("""
{X}[的|]{D}的{K}是什么颜色[|的]
{X}{D}的[图形|物体]的颜色是什么
在{X}{D}的{K}是什么颜色
!{X}{D}那个{K}涂的是什么颜色
""")
Z["rel_shape"] = Forms("""
{X}[的|]{D}的[物体|图形|东西]是什么形状
{X}{D}的[物体|图形]的形状是什么
!{X}{D}的物体属于哪种形状
""")
E["rel_yn"] = Forms("""
is the {X} {D} the {Y}[| in the {P}]
is the {X} {D} the {Y}
is the {X} [located|placed|situated|positioned] {D} the {Y}
does the {X} [lie|sit|appear] {D} the {Y}
[tell me|do you know|can you tell me] [if|whether] the {X} is {D} the {Y}
the {X} is {D} the {Y}, [right|correct|true or false|isn't it]
in [the|this] {P}, is the {X} {D} the {Y}
can you see the {X} {D} the {Y}
would you say that the {X} is {D} the {Y}
!is it true that the {X} is {D} the {Y}
""")
Z["rel_yn"] = Forms("""
{X}[是否|]在{Y}[的|]{D}[吗|吗|]
{X}在{Y}[的|]{D}吗
{X}是不是在{Y}[的|]{D}
{X}是在{Y}[的|]{D}吗
{L}{X}在{Y}[的|]{D}吗
{X}是否[位于|在]{Y}[的|]{D}
{X}位于{Y}[的|]{D}吗
{Y}[的|]{D}是{X}吗
{X}真的在{Y}的{D}吗
!请判断{X}是否处于{Y}{D}
""")
E["rel_which"] = Forms("""
is the {X} {D1} or {D2} the {Y}
is the {X} to the {S1} or [to |]the {S2} of the {Y}
on which side of the {Y} is the {X}
where is the {X} [relative to|compared to|with respect to|in relation to] the {Y}
which side of the {Y} is the {X} on
!{D1} or {D2}: where is the {X} as seen from the {Y}
""")
Z["rel_which"] = Forms("""
{X}在{Y}[的|]{D1}还是{D2}
{X}在{Y}的[哪边|哪一边|什么位置|什么方向|哪个方向|哪一侧]
{X}位于{Y}的[哪边|哪个方向|{D1}还是{D2}]
!相对于{Y}，{X}在{D1}还是{D2}
""")
E["most_size"] = Forms("""
what is the {M} [shape|object|figure|thing|item|one][| in the {P}| in this {P}| here]
which [shape|object|figure|thing|item|one] is [the |]{M}[| in the {P}| in this {P}]
what [shape|object|figure] is [the |]{M}[| in the {P}]
which is the {M}[| shape| object| figure]
what is the {M}
[tell me|name|identify|find|give] the {M} [shape|object|figure]
which [shape|object] has the {M} [size|area]
which of the [shapes|objects] is [the |]{M}
in [the|this] {P}, which [shape|object] is the {M}
what's the {M} [shape|object|thing][| in the {P}]
out of all the shapes, which one is the {M}
which of these would you call the {M}
!what would you pick as the {M} object here
""")
E["most_colour"] = Forms("""
what {C} is the {M} [{G}|{B}]
what is the {C} of the {M} [{G}|{B}]
which {C} is the {M} [{G}|{B}]
the {M} {B} is what {C}
tell me the {C} of the {M} [{G}|{B}]
what {C} does the {M} {B} have
!which {C} has the {M} {B} been given
""")
E["most_shape"] = Forms("""
what shape is the {M} [object|figure|thing|one][| in the {P}]
what is the shape of the {M} [object|figure|thing|one]
which shape is the {M} [object|one]
!which form does the {M} object have
""")
_ME = {"big": ["biggest", "largest", "biggest", "largest", "greatest"], "small": ["smallest", "smallest", "smallest", "tiniest", "littlest"]}
_MZ = {"big": "最大", "small": "最小"}
Z["most_size"] = Forms("""
{M}的{K}是[什么|哪个|什么图形|什么形状|哪一个]
{L}{M}的{K}是[什么|哪个|哪一个]
哪[个|一个]{K}{M}
{L}哪个{K}{M}
{M}的是[什么|哪个|什么图形|什么形状]
什么{K}{M}
[说出|找出|告诉我]{M}的{K}
{L}什么{M}
谁{M}
{K}里面{M}的那个是什么
!论大小，{L}{M}的是哪个
""")
Z["most_colour"] = Forms("""
{M}的[{K}|{B}]是什么颜色[|的]
{M}的[{K}|{B}]的颜色是什么
{L}{M}的[{K}|{B}]是什么颜色
{M}的[{K}|{B}]是[哪种|哪个]颜色
{M}的[{K}|{B}]什么颜色
!{M}的那个{B}涂的是什么颜色
""")
Z["most_shape"] = Forms("""
{M}的[物体|图形|东西]是什么形状
{M}的[物体|图形]的形状是什么
{L}{M}的[物体|图形]是什么形状
!{M}的那个物体属于哪种形状
""")
E["compare"] = Forms("""
which is {M}, the {X} or the {Y}
which [one|shape|object] is {M}, the {X} or the {Y}
what is {M}, the {X} or the {Y}
is the {X} or the {Y} {M}
which of the two is {M}: the {X} or the {Y}
!between the {X} and the {Y}, which is {M}
""")
Z["compare"] = Forms("""
{X}和{Y}[哪个|哪一个|谁]{M}
{X}[还是|跟|与]{Y}[哪个|谁]{M}
{X}与{Y}相比[|，][哪个|谁]{M}
!{X}和{Y}当中{M}的是哪个
""")
E["compare_yn"] = Forms("""
is the {X} {M} than the {Y}
is the {X} {M} than the {Y} in the {P}
[tell me|do you know] [if|whether] the {X} is {M} than the {Y}
!would you say the {X} is {M} than the {Y}
""")
Z["compare_yn"] = Forms("""
{X}比{Y}{M}吗
{X}是不是比{Y}{M}
{X}是否比{Y}{M}
!{X}真的比{Y}{M}吗
""")
_EXT = {"left": ["leftmost"], "right": ["rightmost"], "above": ["topmost", "uppermost", "highest"],
        "below": ["bottommost", "lowest", "lowermost"]}
E["extreme"] = Forms("""
what is the {M} [shape|object|figure|thing][| in the {P}]
which [shape|object|figure] is [the |]{M}[| in the {P}]
what [shape|object] is {M}
which is the {M} [shape|object]
name the {M} [shape|object]
what [shape|object] is [farthest|furthest] {F}
which [shape|object] is [farthest|furthest] {F}
!out of all the shapes, which one is the {M}
""")
_FAR = {"left": ["to the left", "left"], "right": ["to the right", "right"], "above": ["up", "to the top"],
        "below": ["down", "to the bottom"]}
Z["extreme"] = Forms("""
{M}的{K}是[什么|哪个|什么图形]
{L}{M}的{K}是[什么|哪个]
哪个{K}在{M}
{M}是[什么|哪个图形|什么图形]
!位于{M}的那个{K}是什么
""")
_EXTZ = {"left": ["最左边", "最左侧"], "right": ["最右边", "最右侧"], "above": ["最上面", "最上方", "最上边"],
         "below": ["最下面", "最下方", "最下边"]}
E["side"] = Forms("""
what is on the {S} [side |]of the {P}
what [shape|object] is on the {S}[| side][| of the {P}]
which [shape|object] is on the {S}[| side][| of the {P}]
what is on the {S}
what [shape|object] is at the {S}
!what do you find on the {S} of the {P}
""")
_SIDE = {"left": "left", "right": "right", "above": "top", "below": "bottom"}
Z["side"] = Forms("""
{D}[是什么|是什么图形|有什么|是什么形状]
{L}{D}[是什么|是什么图形|有什么]
{D}的{K}是[什么|哪个]
哪个{K}在{D}
!画在{D}的那个是什么
""")
E["further"] = Forms("""
which [is|one is|shape is] {M}, the {X} or the {Y}
what is {M}, the {X} or the {Y}
is the {X} or the {Y} {M}
!between the {X} and the {Y}, which is {M}
""")
_FURTHER = {"left": ["further left", "farther left", "on the left", "more to the left"],
            "right": ["further right", "farther right", "on the right", "more to the right"],
            "above": ["higher", "higher up", "on top", "further up"], "below": ["lower", "lower down", "further down", "at the bottom"]}
Z["further"] = Forms("""
{X}和{Y}[哪个|谁]在{M}
{X}和{Y}[哪个|谁]更靠{M}
{X}与{Y}哪个在{M}
!{X}和{Y}当中靠{M}的是哪个
""")
_FURTHERZ = {"left": ["左边", "左"], "right": ["右边", "右"], "above": ["上面", "上"], "below": ["下面", "下"]}
E["describe"] = Forms("""
[please |can you |could you |][describe|summarise|explain|sum up|outline|report|narrate] [this|the|what is in the|what you see in the] {P} [to me|for me|in one sentence|briefly|in a few words|with one sentence|to a person|in short]
how does [the|this] {P} look
please describe [the|this] {P}[| in one sentence| for me| in a single sentence]
what [objects|shapes] [does the {P} contain|make up the {P}]
in one sentence, describe [the|this] {P}
what is going on in [the|this] {P}
explain what is in [the|this] {P}
one sentence about [the|this] {P}
what can be seen [in|on] [the|this] {P}
describe [the|this] {P}[| in one sentence| briefly| in a sentence| shortly| please]
describe [the|this] {P}
describe what you see[| in one sentence| in the {P}]
what [do|can] you see[| in the {P}| in this {P}| here]
what is [in|shown in|on|depicted in] [the|this] {P}
what's [in|shown in|on] [the|this] {P}
what does [the|this] {P} [show|contain|depict]
what is [shown|there|here|this]
[give|write] [me |]a [one-sentence|short|brief] description[| of the {P}]
tell me what you see[| in the {P}]
tell me about [the|this] {P}
which [shapes|objects|things|figures] [are there|are in the {P}|do you see|are shown|can you see]
what [shapes|objects|things|figures] [are there|are in the {P}|do you see|are shown|can you see]
list [all |][the |][shapes|objects|things][| in the {P}| you see]
name [all |]the [shapes|objects][| in the {P}]
caption [this|the] {P}
summarize [this|the] {P}[| in one sentence]
put the contents of this {P} into one sentence
how would you describe this {P} to a friend
!in one sentence, what does the {P} look like
""")
Z["describe"] = Forms("""
[请|帮我|能不能|][用一句话|简单地|大致|][描述|形容|概括|介绍|总结|讲述|叙述|说明|讲一下][一下|下|][这张图|图片|画面|这幅画|图中内容|图片的内容|这个画面]
[怎么|如何][描述|介绍|概括][这张图|图片|画面]
[请|][用一句话|用一个句子|一句话][描述|概括|说明|介绍]{L}的内容
[请|][描述|介绍|说说|说明][这张图片|这幅图|图片内容|图中内容|画面]
{L}[画了些|画着|出现了|能看到|可以看到]什么
[请|]描述[一下|][这张|这幅|]图[片|像|]
[请|][用一句话|简单|简要]描述[一下|][这张|这幅|]图[片|]
用一句话[描述|说明|概括][这张|]图[|片][|的内容]
{L}有什么
{L}有[哪些|什么]{K}
{L}[都|]有[什么|些什么|哪些东西]
[你|]看到了什么
[你|][能|]在{L}看到[什么|了什么]
[这张|]图片[里|中|上]是什么
{L}[画了|画的是|显示了|包含]什么
说说{L}有什么
[这|图片]的内容是什么
列出{L}[所有|的|所有的]{K}
[介绍|说明|讲讲]一下[这张|]图[片|]
请把画面内容概括成一句话
!跟朋友怎么形容这张图
""")
E["text"] = Forms("""
[please |can you |could you |][read|copy|spell|transcribe|extract|report|type|write down|recite|decode|repeat] [the|all|these|those|out the] [text|letters|characters|digits|word|string|writing|code|numbers][| in the {P}| you see| for me| out| shown| here]
[what|which] [letter|digit|character|number|letters|digits] [is|are] [this|these|that|it|shown here|in the {P}]
what [text|word|string|characters|letters|digits|number] [appears|appear|can be read|is visible|are visible|do you read|is displayed|are displayed][| in the {P}]
what [is|are] the [letters|characters|digits|printed text|printed letters|numbers][| in the {P}| here| shown]
[which|what] text can [you read|be seen|be read][| in the {P}]
what is [printed|written] [on|in] [the|this] {P}
[copy|repeat|output|report] the [text|letters|characters][| in the {P}]
what does this say
what text is [in|on|shown in|written in|printed on] [the|this] {P}
what [does it say|does the {P} say|does the text say|is written|is printed|is written here|is written in the {P}|is printed in the {P}]
what does [the|this] {P} say
read [the|this] [text|{P}|word|letters|characters|writing][| in the {P}| please]
what [letters|characters|digits|letters or digits|symbols|numbers] [are|are shown|do you see|can you see|are written|are printed|can you read][| in the {P}]
what [letters|characters|letters and digits] are in [the|this] {P}
which [letters|characters|digits] [are|are shown|do you see|are written|can you read|are there|are printed][| in the {P}]
what [word|text|number|code|string] [is shown|do you see|is this|is written|can you read|is in the {P}|is printed|is it]
what is the [text|word|code|string|number][| in the {P}| shown| written in the {P}]
what's [written|printed|the text|the word][| here| in the {P}]
[transcribe|spell out|recognize|recognise|extract] the [text|letters|characters|word][| in the {P}]
[tell me|say] what [is written|the text says|it says]
[can you |]read [what is written|the text|it]
text in the {P}
ocr [the|this] {P}
which characters make up the writing in this {P}
please copy the printed characters out for me
!what is spelled out [here|in this {P}]
""")
Z["text"] = Forms("""
[请|帮我|麻烦你|][读出|写出|抄下|念一念|认出|识别|说出|告诉我|读一读|打出][|{L}|{L}的][文字|字母|字符|数字|字|单词|这串字][|是什么]
[图上|图里|上面|画面上]的[字|字母|数字|字符|文字][叫什么|是哪些|怎么读|读什么|念什么]
{L}[的|][字母|数字|字符|文字|文本]是[什么|哪些|哪几个]
{L}[能读出|能看到|可以看到|出现了][什么|哪些][字母|数字|字符|文字|字]
[请|][读出|识别|念出|写出]{L}的[字母|数字|字符|文字|文本|内容]
{L}的[字|文字|字母|字符]写的是什么
{L}[写了|写着|写的是|印着|印的是|显示]什么[|字|文字|内容|字母]
{L}的[文字|字|字母|字符|文本|数字|内容][是什么|是啥]
[读出|念出|识别|读一下|认出][|{L}的][文字|字母|字符|文本|字|数字]
{L}有[什么|哪些][文字|字母|字符|字|数字]
[上面|这里][写了|写着|写的是]什么[|字]
[文字|字母|字符|文本|数字][是什么|写的是什么|内容是什么]
[写了|写着]什么[|字]
这[是|写的是]什么[字|字母|文字|单词|数字]
{L}的[单词|字符串|数字和字母|字母和数字|字母或数字]是什么
请把{L}的字符抄写出来
!{L}印的那串字符怎么念
""")
E["ground"] = Forms("""
<|ref|>the {X}<|/ref|>.
<|ref|>{X}<|/ref|>
<|ref|>The {X}.<|/ref|>
""")
Z["ground"] = Forms("""
<|ref|>{X}<|/ref|>
<|ref|>{X}<|/ref|>。
""")
_PRE_E = Forms("""
[please |please, |hey, |hi, |hello, |hi! |hello. |ok, |so |so, |question: |q: |now, |and ]
[look at the {P}. |look at this {P} and answer: |based on the {P}, |according to the {P}, |answer this: |take a look. |from the {P}: |looking at the {P}, ]
[i have a question. |can you help me? |quick question: |please answer: |tell me, |tell me: |i wonder, |please look carefully. |thanks for helping. |answer the question: ]
""")
_POST_E = Forms("""
[ please| please answer briefly| thanks| thank you| answer in one word| answer briefly| answer with a short sentence| exactly| right now| be brief]
""")
_PRE_Z = Forms("""
[请问|请问，|请告诉我|请告诉我，|你好，|你好，请问|请回答：|问题：|看图回答：|看一下图片，|帮我看看|帮我看看，|麻烦问一下，|告诉我，|请看图，|根据图片，|仔细看，|那么|我想知道|想问一下，|请你说说，|请|老师问：|从图片看，]
""")
_POST_Z = Forms("""
[呢|呢|啊|呀|，谢谢|，请简短回答|，请回答|，用中文回答]
""")

NOUNS = ("car dog cat house tree person man woman child bird fish horse cow sheep boat ship train bus truck plane bike road river "
         "mountain sea lake sun moon cloud rain flower leaf grass table chair bed lamp door window wall roof book pen pencil phone "
         "computer keyboard mouse screen camera clock watch shirt shoe hat bag cup bottle plate spoon fork knife apple banana pizza "
         "cake bread egg cheese hexagon pentagon octagon oval ellipse trapezoid arrow line spiral crescent sphere cube cylinder cone "
         "pyramid polygon ring face eye hand foot hair smile king queen city country bridge tower castle church airport beach desert "
         "forest island guitar piano drum ball toy doll robot tiger lion bear wolf fox rabbit elephant monkey snake frog dragon").split()
NOUNS_Z = ("汽车 狗 猫 房子 树 人 男人 女人 孩子 鸟 鱼 马 牛 羊 船 火车 公交车 卡车 飞机 自行车 路 河 山 海 湖 太阳 月亮 云 雨 花 叶子 草 桌子 椅子 床 灯 门 "
           "窗户 墙 屋顶 书 笔 铅笔 手机 电脑 键盘 鼠标 屏幕 相机 钟 手表 衬衫 鞋 帽子 包 杯子 瓶子 盘子 勺子 叉子 刀 苹果 香蕉 披萨 蛋糕 面包 鸡蛋 六边形 五边形 "
           "八边形 椭圆 梯形 箭头 直线 螺旋 月牙 球 立方体 圆柱 圆锥 金字塔 脸 眼睛 手 脚 头发 国王 城市 国家 桥 塔 城堡 教堂 机场 海滩 沙漠 森林 岛 吉他 钢琴 鼓 玩具 "
           "机器人 老虎 狮子 熊 狼 狐狸 兔子 大象 猴子 蛇 青蛙 龙").split()
E["unknown"] = Forms("""
what is the capital of [france|china|japan|spain|egypt|italy|the country]
who [drew|made|painted|took|owns|is in|wrote|sent] [this|the] {P}
[when|where|why|how] was [this|the] {P} [made|taken|drawn|painted|created]
what is [the weather|the time|your name|the date|the price|the meaning of life|love|the temperature|my name]
how [old|heavy|tall|far|expensive|fast|much|deep] is [the {X}|it|this|the {N}]
what [does the {N} cost|is the {N} doing|is the {N} thinking|brand is the {N}|breed is the {N}|is the name of the {N}|time is it]
what {C} is the {N}[| in the {P}]
how many {N}s are there[| in the {P}]
where is the {N}
is the {N} [happy|sad|old|new|open|closed|hungry|real]
what is the {N}'s [name|age|job]
what is to the left of the {N}
why [is the {X} {Y}|is the sky blue|do birds sing]
who are you
[tell me a joke|write a poem|sing a song|tell me a story|write a program|translate this|do my homework|calculate the integral|solve the equation]
how are you[| today]
what should i [eat|buy|do|wear|say][| today| tomorrow]
what [happened|will happen] [next|yesterday|tomorrow|in 1999|before this]
[who|what] is [shakespeare|einstein|the president|your favourite {N}|the best {N}|a {N}]
what is {n} [plus|times|minus|+|*] {n}
is it [raining|night|day|cold|warm|late]
which [team|city|country|year|language|company] is [it|this]
how does the {N} work
what does the {X} [smell|taste|sound|feel|weigh|cost] [like|]
can you [hear|smell|fly|sing|drive a {N}|help me move]
{W}
{W} {W}
{W} {W} {W}
{W} {N} {W}
{N}
{N} {N} {N}
{T}
{T} {N}
""")
Z["unknown"] = Forms("""
[法国|中国|日本|英国|意大利]的首都是[哪里|什么|哪个城市]
[谁|什么人|哪位画家]画了这张图
[这张图|图片|照片]是[什么时候|在哪里|谁|用什么相机][拍的|画的|做的]
[今天天气怎么样|现在几点了|你叫什么名字|你是谁|今天星期几|明天会下雨吗|你好吗|给我讲个笑话|写一首诗|唱首歌|帮我写作业|翻译一下|你几岁了]
{X}[多重|多少钱|有多高|几岁了|是谁的|什么味道|有多远]
{N}[是什么颜色|多少钱|有几个|在哪里|叫什么名字|在做什么|几岁了|是谁的]
{L}有[几|多少]个{N}
{L}的{N}[是什么颜色|在做什么|叫什么|在哪里]
{N}的左边是什么
{L}的人[叫什么|是谁|在做什么|高兴吗|多大了]
为什么[{X}是{Y}的|天是蓝的|鸟会飞]
[生命的意义是什么|一加一等于几|什么是爱情|谁是总统|地球有多大|怎么做蛋糕|推荐一部电影|股票会涨吗|怎么学编程]
[昨天|明天|去年]发生了什么
我[应该|该][吃|买|做|穿]什么
{N}
{N}{N}{N}
{H}
{H}{N}
""")
FOREIGN = ("quelle est la couleur du cercle|combien de cercles rouges y a-t-il|qu'est-ce que c'est|wie viele kreise gibt es|welche farbe hat der stern|"
           "was ist auf dem bild|cuántos círculos hay|de qué color es el cuadrado|qué ves en la imagen|quanti triangoli ci sono|di che colore è il cuore|"
           "quantos círculos há na imagem|qual é a cor do quadrado|сколько красных кругов|какого цвета звезда|что на картинке|hoeveel cirkels zijn er|welke kleur heeft de ster|"
           "ile jest kół|jakiego koloru jest serce|kaç tane daire var|kalp ne renk|図の中に円はいくつありますか|星は何色ですか|これは何ですか|원은 몇 개입니까|별은 무슨 색입니까|"
           "그림에 무엇이 있나요|كم عدد الدوائر|ما لون النجمة|कितने वृत्त हैं|तारे का रंग क्या है|có bao nhiêu hình tròn|ngôi sao màu gì|hur många cirklar finns det|vilken färg har stjärnan|"
           "πόσοι κύκλοι υπάρχουν|τι χρώμα είναι το αστέρι|כמה עיגולים יש|hány kör van|milyen színű a csillag|kolik je kruhů|jakou barvu má hvězda").split("|")


def _word(rng):
    n = 2 + int(rng() * 8)
    return "".join("abcdefghijklmnopqrstuvwxyz"[int(rng() * 26)] for _ in range(n))


def _junk(rng):
    n = 3 + int(rng() * 16)
    s = "".join("abcdefghijklmnopqrstuvwxyz0123456789 .,;:!?@#$%&*()-_=+/ABCXYZ"[int(rng() * 62)] for _ in range(n)).strip()
    return s or "?"


def _hanzi(rng):
    n = 1 + int(rng() * 7)
    return "".join(chr(0x4E00 + int(rng() * 0x51A5)) for _ in range(n))


# ---------------------------------------------------------------------------------------------------------- noun phrases
def en_shape(shape, rng, plural=False):
    w = shape
    if rng() < 0.04:
        r = EN_SHAPE_RARE[shape]
        w = r[int(rng() * len(r))]
    if plural:
        w = {"plus": "pluses", "cross": "crosses", "rhombus": "rhombuses"}.get(w, w + "s")
    return w


def en_colour(colour, rng):
    return ("gray" if rng() < 0.5 else "grey") if colour == "grey" else colour


def en_generic(rng, plural=False):
    w = _G[int(rng() * (len(_G) - 1))]
    return w + "s" if plural else w


def zh_shape(shape, rng):
    w = ZH_SHAPE_WORDS[shape]
    return w[int(rng() * len(w))]


def zh_colour(colour, rng):
    return ZH_COLOUR[colour] + ("色" if rng() < 0.75 else "")


def phrase(lang, colour, shape, rng, plural=False):
    """A noun phrase without article; either attribute may be None."""
    if lang == "en":
        if shape is None:
            n = en_generic(rng, plural)
        else:
            n = en_shape(shape, rng, plural)
        if colour is None:
            return n
        c = en_colour(colour, rng)
        if rng() < 0.03:
            return f"{n} [that {'are' if plural else 'is'} {c}]".replace("[", "").replace("]", "")
        if rng() < 0.02:
            return f"{c}-coloured {n}" if rng() < 0.5 else f"{c}-colored {n}"
        return f"{c} {n}"
    n = _K[int(rng() * len(_K))] if shape is None else zh_shape(shape, rng)
    if colour is None:
        return n
    c = zh_colour(colour, rng)
    if c.endswith("色"):
        c += "的" if rng() < 0.6 else ""
    elif shape is None and rng() < 0.5:
        c = c + "色的"
    return c + n


def article(p):
    return ("an " if p[0] in "aeiou" else "a ") + p


def en_list(items):
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


# --------------------------------------------------------------------------------------------------------------- answers
def a_count(lang, n):
    if lang == "en":
        return "There is 1." if n == 1 else f"There are {n}."
    return f"有{n}个。"


def a_colour(lang, c):
    return f"It is {c}." if lang == "en" else f"{ZH_COLOUR[c]}色。"


def a_shape(lang, s):
    return f"It is a {s}." if lang == "en" else f"{ZH_SHAPE[s]}。"


def a_object(lang, c, s):
    return f"The {c} {s}." if lang == "en" else f"{ZH_COLOUR[c]}色的{ZH_SHAPE[s]}。"


def a_yes(lang, v, exist):
    if lang == "en":
        return "Yes." if v else "No."
    if exist:
        return "有。" if v else "没有。"
    return "是的。" if v else "不是。"


def a_side(lang, d):
    if lang == "en":
        return {"left": "To the left.", "right": "To the right.", "above": "Above.", "below": "Below."}[d]
    return {"left": "左边。", "right": "右边。", "above": "上面。", "below": "下面。"}[d]


def a_text(lang, t):
    return f"The text is {t}." if lang == "en" else f"文字是{t}。"


def a_describe(lang, groups, text):
    """groups: {(colour, shape): n} in any order; listed by colour, then shape."""
    keys = sorted(groups, key=lambda k: (COLOURS.index(k[0]), SHAPES.index(k[1])))
    if not keys and not text:
        return "There is nothing in the picture." if lang == "en" else "图中什么都没有。"
    if lang == "en":
        items = [article(f"{c} {s}") if groups[c, s] == 1 else
                 f"{groups[c, s]} {c} {'crosses' if s == 'cross' else s + 's'}" for c, s in keys]
        if text:
            items.append(f"the text {text}")
        return f"The picture shows {en_list(items)}."
    items = [f"{groups[k]}个{ZH_COLOUR[k[0]]}色{ZH_SHAPE[k[1]]}" for k in keys]
    if text:
        items.append(f"文字{text}")
    return "图中有" + "、".join(items) + "。"


# ------------------------------------------------------------------------------------------------------------- questions
FILL_E = ("exactly really now please just actually clearly currently overall visible drawn shown total given here there very quickly simply "
          "then also well still today everyone guys my friend sir kindly honestly maybe possibly precisely carefully so um").split()
FILL_Z = "到底 究竟 现在 具体 其实 刚好 准确 大家 老师 一下 仔细 真的 那 这 请 分别 总的来说 目前 看起来 大概 你说 嗯 呢 啊 吧 呀".split()
DROP_E = {"the", "a", "an", "is", "are", "there", "in", "of", "this", "please", "any", "do", "you", "me", "can", "does"}


def roughen(lang, q, rng):
    """Small disturbances of a known sentence, so that unknown ways of asking keep their meaning."""
    if lang == "en":
        words = q.split(" ")
        if rng() < 0.6:
            for _ in range(1 + int(rng() * 2)):
                words.insert(int(rng() * (len(words) + 1)), FILL_E[int(rng() * len(FILL_E))])
        if rng() < 0.6:
            words = [w for w in words if w not in DROP_E or rng() > 0.3]
        return " ".join(words) or q
    if rng() < 0.6:
        places = [0, len(q)] + [i for i, c in enumerate(q) if c in "有是在的几多什哪，"]
        i = places[int(rng() * len(places))]
        q = q[:i] + FILL_Z[int(rng() * len(FILL_Z))] + q[i:]
    if rng() < 0.5:
        q = "".join(c for c in q if c not in "的是了个出" or rng() > 0.3)
    return q


def dress(lang, q, rng, held=False, kind=""):
    """Case, punctuation and politeness around a bare sentence."""
    if kind == "ground":
        return q
    if not held and kind != "unknown" and rng() < 0.32:
        q = roughen(lang, q, rng)
    r = rng()
    if lang == "en":
        imperative = q.split(" ", 1)[0] in ("count", "describe", "tell", "name", "read", "list", "say", "give", "write", "identify",
                                             "transcribe", "caption", "find", "number", "total", "summarize", "put", "please")
        if not held:
            if r < 0.13:
                q = _PRE_E.draw(rng) + q
            if rng() < 0.05:
                q = q + _POST_E.draw(rng)
        u = rng()
        if u < 0.62:
            q = q[0].upper() + q[1:]
        elif u < 0.64:
            q = q.upper()
        elif u < 0.65:
            q = q.title()
        u = rng()
        end = ("." if u < 0.6 else "" if u < 0.85 else "!" if u < 0.9 else "?") if imperative else \
            ("?" if u < 0.78 else "" if u < 0.94 else " ?" if u < 0.97 else "??" if u < 0.98 else ".")
        return q + end
    if not held:
        if r < 0.15:
            q = _PRE_Z.draw(rng) + q
        if rng() < 0.05:
            q = q + _POST_Z.draw(rng)
    u = rng()
    return q + ("？" if u < 0.62 else "?" if u < 0.76 else "" if u < 0.94 else "。" if u < 0.99 else "？？")


def fill_unknown(lang, q, rng):
    while "{X}" in q:
        c = COLOURS[int(rng() * 11)] if rng() < 0.5 else None
        q = q.replace("{X}", phrase(lang, c, SHAPES[int(rng() * 8)], rng), 1)
    while "{Y}" in q:
        c = COLOURS[int(rng() * 11)]
        q = q.replace("{Y}", en_colour(c, rng) if lang == "en" else zh_colour(c, rng), 1)
    nouns = NOUNS if lang == "en" else NOUNS_Z
    while "{N}" in q:
        q = q.replace("{N}", nouns[int(rng() * len(nouns))], 1)
    while "{n}" in q:
        q = q.replace("{n}", str(int(rng() * 40)), 1)
    while "{W}" in q:
        q = q.replace("{W}", _word(rng), 1)
    while "{T}" in q:
        q = q.replace("{T}", _junk(rng), 1)
    while "{H}" in q:
        q = q.replace("{H}", _hanzi(rng), 1)
    return q


def direction_en(d, rng):
    w = _DE[d]
    return w[int(rng() * len(w))]


def direction_zh(d, rng):
    w = _DZ[d]
    return w[int(rng() * len(w))]


def pick(seq, rng):
    return seq[int(rng() * len(seq))]

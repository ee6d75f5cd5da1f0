<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN" sourcelanguage="en">
<context>
    <name>BlockLayout</name>
    <message>
        <source>code</source>
        <translation>代码</translation>
    </message>
</context>
<context>
    <name>LoadOffers</name>
    <message>
        <source>%1 of %2 free on the card</source>
        <translation>显卡空闲 %2，需要 %1</translation>
    </message>
    <message>
        <source>%1 of %2 free memory</source>
        <translation>内存空闲 %2，需要 %1</translation>
    </message>
    <message>
        <source>context of %1 tokens</source>
        <translation>上下文 %1 个词元</translation>
    </message>
    <message>
        <source>; </source>
        <comment>between parts of a line</comment>
        <translation>；</translation>
    </message>
    <message>
        <source>Use a shorter context</source>
        <translation>使用较短的上下文</translation>
    </message>
    <message>
        <source>Pack the weights to %1 bits</source>
        <translation>将权重压缩到 %1 位</translation>
    </message>
    <message>
        <source>answers may differ a little</source>
        <translation>回答可能略有不同</translation>
    </message>
    <message>
        <source>Put %1 of %2 layers on the card</source>
        <translation>将 %2 层中的 %1 层放在显卡上</translation>
    </message>
    <message>
        <source>the others in %1 of %2 free memory</source>
        <translation>其余各层需要内存 %1，空闲 %2</translation>
    </message>
    <message>
        <source>slower</source>
        <translation>速度较慢</translation>
    </message>
    <message>
        <source>Use the processor</source>
        <translation>使用处理器</translation>
    </message>
    <message>
        <source>Use the processor, weights packed to %1 bits</source>
        <translation>使用处理器，权重压缩到 %1 位</translation>
    </message>
    <message>
        <source>%1 of %2 layers on the card</source>
        <translation>%2 层中的 %1 层在显卡上</translation>
    </message>
    <message>
        <source>on the card</source>
        <translation>在显卡上</translation>
    </message>
    <message>
        <source>on the processor</source>
        <translation>在处理器上</translation>
    </message>
    <message>
        <source>weights packed to %1 bits</source>
        <translation>权重压缩到 %1 位</translation>
    </message>
    <message>
        <source>, </source>
        <comment>between parts of a list</comment>
        <translation>，</translation>
    </message>
</context>
<context>
    <name>sentences</name>
    <message>
        <source>The picture file is empty.</source>
        <translation>图片文件是空的。</translation>
    </message>
    <message>
        <source>The picture file is larger than %1 MB.</source>
        <translation>图片文件超过 %1 MB。</translation>
    </message>
    <message>
        <source>The picture has no pixels (%1 x %2 pixels).</source>
        <translation>图片没有像素（%1 x %2 像素）。</translation>
    </message>
    <message>
        <source>The picture is %1 x %2 pixels; a side may have at most %3 pixels.</source>
        <translation>图片为 %1 x %2 像素；每边最多 %3 像素。</translation>
    </message>
    <message>
        <source>The picture is %1 x %2 pixels; at most 64 million pixels can be read.</source>
        <translation>图片为 %1 x %2 像素；最多可读取 6400 万像素。</translation>
    </message>
    <message>
        <source>The picture is %1 x %2 pixels; one side may be at most %3 times the other.</source>
        <translation>图片为 %1 x %2 像素；一边最多是另一边的 %3 倍。</translation>
    </message>
    <message>
        <source>This file is not a picture, or of an unknown kind; only PNG, JPEG, BMP and WebP pictures can be read.</source>
        <translation>此文件不是图片，或类型未知；只能读取 PNG、JPEG、BMP 和 WebP 图片。</translation>
    </message>
    <message>
        <source>This is an XML file (perhaps an SVG drawing); only PNG, JPEG, BMP and WebP pictures can be read.</source>
        <translation>这是 XML 文件（也许是 SVG 图形）；只能读取 PNG、JPEG、BMP 和 WebP 图片。</translation>
    </message>
    <message>
        <source>This is a PDF document; only PNG, JPEG, BMP and WebP pictures can be read.</source>
        <translation>这是 PDF 文档；只能读取 PNG、JPEG、BMP 和 WebP 图片。</translation>
    </message>
    <message>
        <source>This is a video or HEIF file; only PNG, JPEG, BMP and WebP pictures can be read.</source>
        <translation>这是视频或 HEIF 文件；只能读取 PNG、JPEG、BMP 和 WebP 图片。</translation>
    </message>
    <message>
        <source>This is a %1 picture; only PNG, JPEG, BMP and WebP pictures can be read.</source>
        <translation>这是 %1 图片；只能读取 PNG、JPEG、BMP 和 WebP 图片。</translation>
    </message>
    <message>
        <source>This is an %1 picture; only PNG, JPEG, BMP and WebP pictures can be read.</source>
        <translation>这是 %1 图片；只能读取 PNG、JPEG、BMP 和 WebP 图片。</translation>
    </message>
    <message>
        <source>This is an animated WebP picture; only still pictures can be read.</source>
        <translation>这是 WebP 动图；只能读取静态图片。</translation>
    </message>
    <message>
        <source>The %1 picture is cut off: the file ends before its last part.</source>
        <translation>%1 图片不完整：文件在最后一部分之前就结束了。</translation>
    </message>
    <message>
        <source>The PNG picture is damaged: the checksum of a part does not match its data.</source>
        <translation>PNG 图片已损坏：某一部分的校验和与数据不符。</translation>
    </message>
    <message>
        <source>The JPEG picture is damaged: there is no marker where one must be.</source>
        <translation>JPEG 图片已损坏：应有标记之处没有标记。</translation>
    </message>
    <message>
        <source>The JPEG file holds no picture data.</source>
        <translation>JPEG 文件中没有图片数据。</translation>
    </message>
    <message>
        <source>The BMP picture&apos;s header is broken.</source>
        <translation>BMP 图片的文件头已损坏。</translation>
    </message>
    <message>
        <source>The %1 picture is damaged (%2).</source>
        <translation>%1 图片已损坏（%2）。</translation>
    </message>
    <message>
        <source>The picture is damaged: it ended the program that decodes it.</source>
        <translation>图片已损坏：它使解码程序意外结束。</translation>
    </message>
    <message>
        <source>The picture is damaged: decoding it ended half-way.</source>
        <translation>图片已损坏：解码中途结束。</translation>
    </message>
    <message>
        <source>The picture is damaged: its size and its data do not agree.</source>
        <translation>图片已损坏：尺寸与数据不符。</translation>
    </message>
    <message>
        <source>The picture needs more memory to decode than a picture may.</source>
        <translation>解码这张图片所需的内存超过允许值。</translation>
    </message>
    <message>
        <source>The picture took longer than %1 s to decode.</source>
        <translation>图片解码超过 %1 秒。</translation>
    </message>
    <message>
        <source>There is not enough memory to decode the picture.</source>
        <translation>内存不足，无法解码图片。</translation>
    </message>
    <message>
        <source>There is not enough memory to read the picture.</source>
        <translation>内存不足，无法读取图片。</translation>
    </message>
    <message>
        <source>No more files can be opened, so the picture could not be decoded.</source>
        <translation>无法再打开文件，因此未能解码图片。</translation>
    </message>
    <message>
        <source>The program diptych-decode is missing beside this one; install Diptych again.</source>
        <translation>本程序旁缺少 diptych-decode；请重新安装 Diptych。</translation>
    </message>
    <message>
        <source>the conversation takes %1 tokens and the context holds %2; start a new conversation, shorten the question or load the model with a longer context</source>
        <translation>对话需要 %1 个词元，而上下文只能容纳 %2 个；请开始新对话、缩短问题，或以更长的上下文加载模型</translation>
    </message>
    <message>
        <source>the context of %1 tokens is full; start a new conversation or load the model with a longer context</source>
        <translation>%1 个词元的上下文已满；请开始新对话，或以更长的上下文加载模型</translation>
    </message>
    <message>
        <source>the machine has no memory left for this answer; close other programs or models and ask again</source>
        <translation>本机没有足够内存生成这个回答；请关闭其他程序或模型后再问</translation>
    </message>
    <message>
        <source>the engine met an error of its own: %1</source>
        <translation>引擎内部出错：%1</translation>
    </message>
    <message>
        <source>the weights take %1 and %2 are free; close other models or choose a smaller or more quantised one</source>
        <translation>权重需要 %1，可用 %2；请关闭其他模型，或选择更小、量化程度更高的模型</translation>
    </message>
    <message>
        <source>the machine has no memory left for this model; close others or choose a smaller one</source>
        <translation>本机没有足够内存加载此模型；请关闭其他模型或选择更小的模型</translation>
    </message>
    <message>
        <source>a context of %1 tokens needs %2 and %3 can be used; close another model or ask for a smaller context</source>
        <translation>%1 个词元的上下文需要 %2，可用 %3；请关闭其他模型或减小上下文</translation>
    </message>
    <message>
        <source>there is not enough memory for another %1 MB</source>
        <translation>内存不足，无法再分配 %1 MB</translation>
    </message>
    <message>
        <source>The model was unloaded before it could answer.</source>
        <translation>模型在回答之前已被卸载。</translation>
    </message>
    <message>
        <source>The answer was stopped before it began.</source>
        <translation>回答尚未开始就已停止。</translation>
    </message>
    <message>
        <source>The file %1 is empty.</source>
        <translation>文件 %1 是空的。</translation>
    </message>
    <message>
        <source>The file %1 was written while it was in use: load the model again.</source>
        <translation>文件 %1 在使用中被改写：请重新加载模型。</translation>
    </message>
    <message>
        <source>The folder %1 cannot be read: %2.</source>
        <translation>无法读取文件夹 %1：%2。</translation>
    </message>
    <message>
        <source>The folder %1 has no tokenizer.json, so no text can be read or written.</source>
        <translation>文件夹 %1 中没有 tokenizer.json，因此无法读写文本。</translation>
    </message>
    <message>
        <source>%1 is a Git LFS pointer, not the file itself: fetch the real file (git lfs pull) and try again.</source>
        <translation>%1 是 Git LFS 指针，而不是文件本身：请取回真正的文件（git lfs pull）后重试。</translation>
    </message>
    <message>
        <source>%1 is a pickled PyTorch file, which can run code and is never loaded: convert it to safetensors.</source>
        <translation>%1 是 PyTorch 的 pickle 文件，可能执行代码，因此从不加载：请转换为 safetensors。</translation>
    </message>
    <message>
        <source>%1 is not a sound GGUF file: %2.</source>
        <translation>%1 不是有效的 GGUF 文件：%2。</translation>
    </message>
    <message>
        <source>%1 is not a sound safetensors file: %2.</source>
        <translation>%1 不是有效的 safetensors 文件：%2。</translation>
    </message>
    <message>
        <source>%1 is a GGUF file of the unknown version %2.</source>
        <translation>%1 是未知版本 %2 的 GGUF 文件。</translation>
    </message>
    <message>
        <source>%1 cannot be read: it is not valid JSON.</source>
        <translation>无法读取 %1：不是有效的 JSON。</translation>
    </message>
    <message>
        <source>%1 cannot be opened: %2.</source>
        <translation>无法打开 %1：%2。</translation>
    </message>
    <message>
        <source>%1 has no tensor %2 (%3 is needed).</source>
        <translation>%1 中没有张量 %2（需要 %3）。</translation>
    </message>
    <message>
        <source>%1 holds no tensors.</source>
        <translation>%1 中没有张量。</translation>
    </message>
    <message>
        <source>Diptych cannot run this model: its architecture %1 is unknown.</source>
        <translation>Diptych 无法运行此模型：未知的架构 %1。</translation>
    </message>
    <message>
        <source>Diptych cannot run this model: its rope scaling %1 is unknown.</source>
        <translation>Diptych 无法运行此模型：未知的 rope 缩放 %1。</translation>
    </message>
    <message>
        <source>Diptych cannot run this model: %1.</source>
        <translation>Diptych 无法运行此模型：%1。</translation>
    </message>
    <message>
        <source>There is no memory left to read %1.</source>
        <translation>没有足够内存读取 %1。</translation>
    </message>
    <message>
        <source>There is no memory left to open %1.</source>
        <translation>没有足够内存打开 %1。</translation>
    </message>
    <message>
        <source>There is no file %1 there.</source>
        <translation>那里没有文件 %1。</translation>
    </message>
    <message>
        <source>The file %1 may not be read: check its permissions.</source>
        <translation>没有读取文件 %1 的权限：请检查权限设置。</translation>
    </message>
    <message>
        <source>The file %1 cannot be opened: %2.</source>
        <translation>无法打开文件 %1：%2。</translation>
    </message>
    <message>
        <source>The path of %1 is a circle of symbolic links.</source>
        <translation>%1 的路径是循环的符号链接。</translation>
    </message>
    <message>
        <source>Too many files are open to open %1.</source>
        <translation>打开的文件太多，无法打开 %1。</translation>
    </message>
    <message>
        <source>The model does not fit on the card: a context of %1 tokens needs %2 and %3 can be used; close another model or ask for a smaller context</source>
        <translation>模型放不进显卡：%1 个词元的上下文需要 %2，可用的只有 %3；请关闭其他模型，或使用较短的上下文</translation>
    </message>
    <message>
        <source>The model does not fit on the card: the weights take %1 and every step %2 to work in, and %3 are free on the card</source>
        <translation>模型放不进显卡：权重需要 %1，每一步计算另需 %2，显卡空闲 %3</translation>
    </message>
    <message>
        <source>the CUDA plug-in is not installed; models run on the processor</source>
        <translation>没有安装 CUDA 插件；模型在处理器上运行</translation>
    </message>
    <message>
        <source>the CUDA plug-in cannot be loaded: %1</source>
        <translation>无法加载 CUDA 插件：%1</translation>
    </message>
    <message>
        <source>the CUDA plug-in is of another build of Diptych; install both from one package</source>
        <translation>CUDA 插件与 Diptych 不是同一个版本；请从同一个安装包安装两者</translation>
    </message>
    <message>
        <source>the NVIDIA driver is missing or older than CUDA 13 needs; update it</source>
        <translation>没有 NVIDIA 驱动，或驱动版本低于 CUDA 13 的要求；请更新驱动</translation>
    </message>
    <message>
        <source>no NVIDIA card can be used: %1</source>
        <translation>没有可用的 NVIDIA 显卡：%1</translation>
    </message>
    <message>
        <source>there is no CUDA device %1; this machine has %2</source>
        <translation>没有 CUDA 设备 %1；这台机器有 %2 个</translation>
    </message>
    <message>
        <source>the card does not answer; another program may hold it exclusively</source>
        <translation>显卡没有响应；可能被其他程序独占</translation>
    </message>
    <message>
        <source>%1 is of a generation this build has no code for (%2)</source>
        <translation>此版本不支持 %1 这一代显卡（%2）</translation>
    </message>
    <message>
        <source>the card has no memory left for Diptych&apos;s own buffers</source>
        <translation>显卡没有剩余显存供 Diptych 自身使用</translation>
    </message>
    <message>
        <source>the card failed (%1); start Diptych again, or load the model on the processor</source>
        <translation>显卡出错（%1）；请重新启动 Diptych，或在处理器上加载模型</translation>
    </message>
    <message>
        <source>the card has no memory left for this (%1); ask again with a shorter context, or load the model with a smaller one</source>
        <translation>显卡没有足够的显存（%1）；请缩短内容后重新提问，或以较短的上下文加载模型</translation>
    </message>
    <message>
        <source>the card has %1 MiB free and %2 MiB more are needed; use a smaller context, a smaller precision or the processor</source>
        <translation>显卡空闲 %1 MiB，还需要 %2 MiB；请使用较短的上下文、较低的精度或处理器</translation>
    </message>
</context>
<context>
    <name>ui::ActionsDialog</name>
    <message>
        <source>All actions</source>
        <translation>全部操作</translation>
    </message>
    <message>
        <source>What do you want to do?</source>
        <translation>想做什么？</translation>
    </message>
</context>
<context>
    <name>ui::ChatPage</name>
    <message>
        <source>This conversation could not be read.</source>
        <translation>无法读取这段对话。</translation>
    </message>
    <message>
        <source>Export as Markdown</source>
        <translation>导出为 Markdown</translation>
    </message>
    <message>
        <source>Markdown (*.md)</source>
        <translation>Markdown (*.md)</translation>
    </message>
    <message>
        <source>Exported to %1</source>
        <translation>已导出到 %1</translation>
    </message>
    <message>
        <source>%1 could not be written: %2</source>
        <translation>无法写入 %1：%2</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>%1 reads no pictures. Choose a model that does, such as mini-vl.</source>
        <translation>%1 不能看图。请选择能看图的模型，例如 mini-vl。</translation>
    </message>
    <message>
        <source>Temperature, seed, system prompt and more</source>
        <translation>温度、随机种子、系统提示词等</translation>
    </message>
    <message>
        <source>Parameters</source>
        <translation>参数</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>导出</translation>
    </message>
    <message>
        <source>Save this conversation as Markdown</source>
        <translation>把这段对话保存为 Markdown</translation>
    </message>
    <message>
        <source>Editing your question. Sending it starts a new branch; the old one is kept.</source>
        <translation>正在修改你的问题。发送后会开始一个新分支，原来的分支会保留。</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Drop pictures here to ask about them</source>
        <translation>把图片拖放到这里提问</translation>
    </message>
    <message>
        <source>Name something in the picture: the red circle</source>
        <translation>写出图中的一样东西：红色的圆形</translation>
    </message>
    <message>
        <source>Where</source>
        <translation>在哪里</translation>
    </message>
    <message>
        <source>Have the model frame in the picture what you name</source>
        <translation>让模型在图中框出你写的东西</translation>
    </message>
    <message>
        <source>%1 answers questions about pictures only: add one first.</source>
        <translation>%1 只能回答关于图片的问题：请先添加一张图片。</translation>
    </message>
</context>
<context>
    <name>ui::ChatSession</name>
    <message>
        <source>The picture %1 of this chat is gone: %2</source>
        <translation>这个对话的图片 %1 已丢失：%2</translation>
    </message>
    <message>
        <source>Answer finished, %1 tokens</source>
        <translation>回答完成，%1 个词元</translation>
    </message>
    <message>
        <source>Answer stopped</source>
        <translation>回答已停止</translation>
    </message>
    <message>
        <source>The answer failed</source>
        <translation>回答失败</translation>
    </message>
</context>
<context>
    <name>ui::ColumnSettingsButton</name>
    <message>
        <source>0 always takes the likeliest word; higher values vary more.</source>
        <translation>0 总是选最可能的词；数值越大变化越多。</translation>
    </message>
    <message>
        <source>Only the likeliest words that together reach this share are drawn from.</source>
        <translation>只在合计达到这一比例的最可能的词中选取。</translation>
    </message>
    <message>
        <source>Temperature</source>
        <translation>温度</translation>
    </message>
    <message>
        <source>Top-p</source>
        <translation>Top-p</translation>
    </message>
    <message>
        <source>At most tokens</source>
        <translation>最多词元</translation>
    </message>
    <message>
        <source>Likeliest</source>
        <translation>最可能</translation>
    </message>
    <message>
        <source>T %1</source>
        <translation>T %1</translation>
    </message>
    <message>
        <source>Temperature, top-p and length of this column</source>
        <translation>本列的温度、top-p 和长度</translation>
    </message>
</context>
<context>
    <name>ui::CompareColumn</name>
    <message>
        <source>thinks</source>
        <translation>会思考</translation>
    </message>
    <message>
        <source>This model is no longer in the list of models.</source>
        <translation>该模型已不在模型列表中。</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>已停止</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>等待中</translation>
    </message>
    <message>
        <source>Loading, %1 %</source>
        <translation>正在加载，%1 %</translation>
    </message>
    <message>
        <source>Looking</source>
        <translation>看图中</translation>
    </message>
    <message>
        <source>Reading</source>
        <translation>阅读中</translation>
    </message>
    <message>
        <source>Thinking</source>
        <translation>思考中</translation>
    </message>
    <message>
        <source>Answering</source>
        <translation>回答中</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>失败</translation>
    </message>
    <message>
        <source>Model of column %1</source>
        <translation>第 %1 列的模型</translation>
    </message>
    <message>
        <source>Answers of column %1</source>
        <translation>第 %1 列的回答</translation>
    </message>
    <message>
        <source>Take this column away</source>
        <translation>移除这一列</translation>
    </message>
    <message>
        <source>Model %1</source>
        <translation>模型 %1</translation>
    </message>
    <message>
        <source>%1 answers here</source>
        <translation>%1 将在这里回答</translation>
    </message>
</context>
<context>
    <name>ui::ComparePage</name>
    <message>
        <source>How many red shapes are there?</source>
        <translation>图里有几个红色的图形？</translation>
    </message>
    <message>
        <source>Ask once and read the answers side by side. Choose a model for each column, or one model twice with other settings; then vote, and go on with the one you like.</source>
        <translation>提问一次，并排阅读各个回答。每一栏可以选择一个模型，也可以用同一个模型配不同的参数；然后评出高下，并与喜欢的那个继续对话。</translation>
    </message>
    <message>
        <source>Try an example</source>
        <translation>试试示例</translation>
    </message>
    <message>
        <source>One of the models reads no pictures.</source>
        <translation>其中一个模型不能看图。</translation>
    </message>
    <message>
        <source>The pictures of this comparison are still being read; ask again in a moment.</source>
        <translation>这个对比的图片还在读取，请稍后再问。</translation>
    </message>
    <message>
        <source>Its turn comes</source>
        <translation>即将轮到</translation>
    </message>
    <message>
        <source>The answers are the same</source>
        <translation>两个回答相同</translation>
    </message>
    <message>
        <source>First difference: word %1</source>
        <translation>首处不同：第 %1 个词</translation>
    </message>
    <message>
        <source>The comparison was not kept, so it cannot be continued in a chat.</source>
        <translation>这个对比没有保存，无法在对话中继续。</translation>
    </message>
    <message>
        <source>This comparison could not be read.</source>
        <translation>无法读取这个对比。</translation>
    </message>
    <message>
        <source>The picture %1 of this comparison is gone: %2</source>
        <translation>这个对比的图片 %1 已丢失：%2</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>对比</translation>
    </message>
    <message>
        <source>Same seed %1</source>
        <translation>相同种子 %1</translation>
    </message>
    <message>
        <source>Own seeds</source>
        <translation>各自的种子</translation>
    </message>
    <message>
        <source>Locked: both columns draw with the same random numbers, so differences come from the models. It matters when the temperature is above 0.</source>
        <translation>已锁定：两列使用相同的随机数，差异来自模型本身。温度大于 0 时才有影响。</translation>
    </message>
    <message>
        <source>Mark differences</source>
        <translation>标出差异</translation>
    </message>
    <message>
        <source>Add column</source>
        <translation>添加一列</translation>
    </message>
    <message>
        <source>New</source>
        <translation>新建</translation>
    </message>
    <message>
        <source>Begin a new comparison</source>
        <translation>开始新的对比</translation>
    </message>
    <message>
        <source>◀ Left is better</source>
        <translation>◀ 左边更好</translation>
    </message>
    <message>
        <source>Tie</source>
        <translation>平手</translation>
    </message>
    <message>
        <source>Both bad</source>
        <translation>都不好</translation>
    </message>
    <message>
        <source>Right is better ▶</source>
        <translation>右边更好 ▶</translation>
    </message>
    <message>
        <source>Continue with</source>
        <translation>继续使用</translation>
    </message>
    <message>
        <source>Drop a picture and ask: the models answer side by side</source>
        <translation>拖入图片并提问：各模型并排回答</translation>
    </message>
    <message>
        <source>Ask on: each model remembers its own answers</source>
        <translation>继续提问：每个模型记得自己的回答</translation>
    </message>
    <message>
        <source>All bad</source>
        <translation>都不好</translation>
    </message>
    <message>
        <source>%1 is best</source>
        <translation>%1 最好</translation>
    </message>
    <message>
        <source>Mark the words in which the answers differ</source>
        <translation>标出两个回答中不同的词</translation>
    </message>
    <message>
        <source>Link</source>
        <translation>联动</translation>
    </message>
    <message>
        <source>Scroll the columns together</source>
        <translation>各栏一起滚动</translation>
    </message>
    <message>
        <source>Blind</source>
        <translation>盲评</translation>
    </message>
    <message>
        <source>Hide which model is which until you have judged; the columns are shuffled</source>
        <translation>评判之前不显示哪一栏是哪个模型；各栏顺序会被打乱</translation>
    </message>
    <message>
        <source>Reveal the models</source>
        <translation>揭晓模型</translation>
    </message>
    <message>
        <source>Drop pictures to ask all columns about them</source>
        <translation>把图片拖到这里，向所有栏提问</translation>
    </message>
    <message>
        <source>◀ Left</source>
        <translation>◀ 左边</translation>
    </message>
    <message>
        <source>Right ▶</source>
        <translation>右边 ▶</translation>
    </message>
    <message>
        <source>The same</source>
        <translation>相同</translation>
    </message>
    <message>
        <source>Word %1</source>
        <translation>第 %1 个词</translation>
    </message>
    <message>
        <source>These models answer questions about pictures only: add one first.</source>
        <translation>这些模型只能回答关于图片的问题：请先添加一张图片。</translation>
    </message>
    <message>
        <source>The words are the same, the frames are not</source>
        <translation>文字相同，框不同</translation>
    </message>
    <message>
        <source>Other frames</source>
        <translation>框不同</translation>
    </message>
    <message>
        <source>Where</source>
        <translation>在哪里</translation>
    </message>
    <message>
        <source>Have the models frame in the picture what you name</source>
        <translation>让各个模型在图中框出你写的东西</translation>
    </message>
    <message>
        <source>Name something in the picture: the red circle</source>
        <translation>写出图中的一样东西：红色的圆形</translation>
    </message>
</context>
<context>
    <name>ui::Composer</name>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>发送</translation>
    </message>
    <message>
        <source>Stop the answer (Esc)</source>
        <translation>停止回答（Esc）</translation>
    </message>
    <message>
        <source>Send (Enter), new line with Shift+Enter</source>
        <translation>发送（Enter），换行用 Shift+Enter</translation>
    </message>
    <message>
        <source>Add pictures: choose, drop or paste them</source>
        <translation>添加图片：选择、拖放或粘贴</translation>
    </message>
    <message>
        <source>Think: on</source>
        <translation>思考：开</translation>
    </message>
    <message>
        <source>Think: off</source>
        <translation>思考：关</translation>
    </message>
    <message>
        <source>%1 of %2 tokens</source>
        <translation>%1 / %2 个词元</translation>
    </message>
    <message>
        <source>How much of the model&apos;s context this conversation takes</source>
        <translation>这段对话占用了多少模型上下文</translation>
    </message>
    <message>
        <source>A question takes at most %1 pictures.</source>
        <translation>一个问题最多带 %1 张图片。</translation>
    </message>
    <message>
        <source>Add pictures</source>
        <translation>添加图片</translation>
    </message>
    <message>
        <source>Pictures (*.png *.jpg *.jpeg *.webp *.bmp);;All files (*)</source>
        <translation>图片 (*.png *.jpg *.jpeg *.webp *.bmp);;所有文件 (*)</translation>
    </message>
    <message>
        <source>Write a question about the picture first.</source>
        <translation>请先写下关于图片的问题。</translation>
    </message>
    <message>
        <source>Add picture</source>
        <translation>添加图片</translation>
    </message>
    <message>
        <source>Ask about a picture, or drop one here</source>
        <translation>就图片提问，或把图片拖到这里</translation>
    </message>
    <message>
        <source>Whether the model thinks before it answers</source>
        <translation>模型回答前是否先思考</translation>
    </message>
</context>
<context>
    <name>ui::ConversationStore</name>
    <message>
        <source>The history could not be written (%1). What is on the screen is still there; free some space or check the data folder.</source>
        <translation>无法写入历史记录（%1）。屏幕上的内容仍在；请腾出空间或检查数据文件夹。</translation>
    </message>
    <message>
        <source>The data folder %1 cannot be used because a file stands in its place. Move that file away or choose another folder in Settings, then start again; until then nothing is kept.</source>
        <translation>无法使用数据文件夹 %1，因为同名位置是一个文件。请移走该文件或在“设置”中选择其他文件夹，然后重新启动；在此之前不会保存任何内容。</translation>
    </message>
    <message>
        <source>The data folder %1 cannot be made. Choose another folder in Settings, then start again; until then nothing is kept.</source>
        <translation>无法创建数据文件夹 %1。请在“设置”中选择其他文件夹，然后重新启动；在此之前不会保存任何内容。</translation>
    </message>
    <message>
        <source>Another Diptych window is using %1. Close it and start again; until then nothing is kept here.</source>
        <translation>另一个 Diptych 窗口正在使用 %1。请关闭它并重新启动；在此之前这里不会保存任何内容。</translation>
    </message>
    <message>
        <source>Nothing can be written to the data folder %1. Make it writable or choose another one in Settings, then start again; until then nothing is kept.</source>
        <translation>无法写入数据文件夹 %1。请使其可写或在“设置”中另选一个，然后重新启动；在此之前不会保存任何内容。</translation>
    </message>
    <message>
        <source>The history in %1 is damaged and cannot be moved aside; nothing is kept until it is.</source>
        <translation>%1 中的历史记录已损坏且无法移开；移开之前不会保存任何内容。</translation>
    </message>
    <message>
        <source>The history in %1 cannot be opened (%2); nothing is kept until it can.</source>
        <translation>无法打开 %1 中的历史记录（%2）；在此之前不会保存任何内容。</translation>
    </message>
    <message>
        <source>The history in %1 was written by a newer Diptych (format %2, this one knows %3). It was left as it is: start the newer Diptych, or choose another data folder in Settings.</source>
        <translation>%1 中的历史记录由更新版本的 Diptych 写入（格式 %2，本版本只认识 %3）。它保持原样：请启动新版本，或在“设置”中选择其他数据文件夹。</translation>
    </message>
    <message>
        <source>The history in %1 could not be brought to this version (%2). It was left as it is.</source>
        <translation>无法把 %1 中的历史记录升级到此版本（%2）。它保持原样。</translation>
    </message>
    <message>
        <source>The history was damaged. The damaged file is kept as %1, and the last backup (%2) was put in its place.</source>
        <translation>历史记录已损坏。损坏的文件保存为 %1，并已用最近的备份（%2）代替。</translation>
    </message>
    <message>
        <source>The history was damaged and a new one was begun. The damaged file is kept as %1.</source>
        <translation>历史记录已损坏，已开始新的记录。损坏的文件保存为 %1。</translation>
    </message>
</context>
<context>
    <name>ui::EmptyChat</name>
    <message>
        <source>Ask about a picture</source>
        <translation>就图片提问</translation>
    </message>
    <message>
        <source>Drop a picture anywhere here, paste one, or choose it below, and write your question.
Everything runs on this machine; nothing is sent anywhere.</source>
        <translation>把图片拖到这里、粘贴，或在下方选择，然后写下你的问题。
一切都在本机运行，不会向外发送任何内容。</translation>
    </message>
    <message>
        <source>Or try this picture:</source>
        <translation>或者试试这张图片：</translation>
    </message>
    <message>
        <source>How many shapes are in the picture?</source>
        <translation>图中有几个图形？</translation>
    </message>
    <message>
        <source>What shape is the biggest?</source>
        <translation>最大的是什么形状？</translation>
    </message>
    <message>
        <source>Describe the picture.</source>
        <translation>描述这张图片。</translation>
    </message>
</context>
<context>
    <name>ui::EngineService</name>
    <message>
        <source>The engine could not begin to load the model.</source>
        <translation>引擎无法开始加载模型。</translation>
    </message>
</context>
<context>
    <name>ui::FitPlan</name>
    <message>
        <source>Will swap: %1 needed, %2 free</source>
        <translation>将轮换加载：需要 %1，可用 %2</translation>
    </message>
    <message>
        <source>May not fit: %1 needed, %2 free</source>
        <translation>可能放不下：需要 %1，可用 %2</translation>
    </message>
    <message>
        <source>Fits: %1 of %2</source>
        <translation>放得下：%1 / %2</translation>
    </message>
    <message>
        <source>Both fit: %1 of %2</source>
        <translation>两个都放得下：%1 / %2</translation>
    </message>
    <message>
        <source>All fit: %1 of %2</source>
        <translation>全部放得下：%1 / %2</translation>
    </message>
    <message>
        <source>The columns answer at the same time. Figures of models that are not loaded yet are estimates.</source>
        <translation>各列同时回答。尚未加载的模型的数字为估计值。</translation>
    </message>
    <message>
        <source>The columns answer one after the other: each model is unloaded before the next is loaded. Figures of models that are not loaded yet are estimates.</source>
        <translation>各列依次回答：加载下一个模型前先卸载当前模型。尚未加载的模型的数字为估计值。</translation>
    </message>
</context>
<context>
    <name>ui::ImageLoader</name>
    <message>
        <source>%1 cannot be opened as a picture.</source>
        <translation>%1 无法作为图片打开。</translation>
    </message>
</context>
<context>
    <name>ui::MainWindow</name>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>New comparison</source>
        <translation>新对比</translation>
    </message>
    <message>
        <source>Search all conversations</source>
        <translation>搜索全部对话</translation>
    </message>
    <message>
        <source>Add pictures…</source>
        <translation>添加图片…</translation>
    </message>
    <message>
        <source>Answer again</source>
        <translation>重新回答</translation>
    </message>
    <message>
        <source>Edit the last question</source>
        <translation>修改上一个问题</translation>
    </message>
    <message>
        <source>Export as Markdown…</source>
        <translation>导出为 Markdown…</translation>
    </message>
    <message>
        <source>Rename this conversation…</source>
        <translation>重命名这段对话…</translation>
    </message>
    <message>
        <source>Delete this conversation…</source>
        <translation>删除这段对话…</translation>
    </message>
    <message>
        <source>Go to Chat</source>
        <translation>转到“对话”</translation>
    </message>
    <message>
        <source>Go to Compare</source>
        <translation>转到“对比”</translation>
    </message>
    <message>
        <source>Go to Models</source>
        <translation>转到“模型”</translation>
    </message>
    <message>
        <source>Go to Settings</source>
        <translation>转到“设置”</translation>
    </message>
    <message>
        <source>Show or hide the sidebar</source>
        <translation>显示或隐藏侧栏</translation>
    </message>
    <message>
        <source>All actions</source>
        <translation>全部操作</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>退出</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>知道了</translation>
    </message>
</context>
<context>
    <name>ui::MetricsStrip</name>
    <message>
        <source>First word</source>
        <translation>首词</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>速度</translation>
    </message>
    <message>
        <source>Tokens</source>
        <translation>词元</translation>
    </message>
    <message>
        <source>Question</source>
        <translation>问题</translation>
    </message>
    <message>
        <source>From sending the question to the first word</source>
        <translation>从发送问题到出现第一个词</translation>
    </message>
    <message>
        <source>Tokens written in a second</source>
        <translation>每秒写出的词元</translation>
    </message>
    <message>
        <source>Tokens of the answer; thinking and answer where the model thinks</source>
        <translation>回答的词元数；会思考的模型为思考加回答</translation>
    </message>
    <message>
        <source>Tokens the model read, and how many of them were the picture</source>
        <translation>模型读入的词元数，以及其中图片所占的数量</translation>
    </message>
    <message>
        <source>%1 ms</source>
        <translation>%1 毫秒</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 秒</translation>
    </message>
    <message>
        <source>%1/s</source>
        <translation>%1/秒</translation>
    </message>
    <message>
        <source>%1, picture %2</source>
        <translation>%1，图片 %2</translation>
    </message>
</context>
<context>
    <name>ui::ModelButton</name>
    <message>
        <source>Model: %1</source>
        <translation>模型：%1</translation>
    </message>
    <message>
        <source>Choose the model that answers</source>
        <translation>选择回答问题的模型</translation>
    </message>
    <message>
        <source>Loaded and ready</source>
        <translation>已加载，可以使用</translation>
    </message>
    <message>
        <source>Loading, %1 %</source>
        <translation>正在加载，%1 %</translation>
    </message>
    <message>
        <source>Will be loaded with the first question</source>
        <translation>将在第一次提问时加载</translation>
    </message>
    <message>
        <source>This model is not in the list any more. Choose another one.</source>
        <translation>该模型已不在列表中，请另选一个。</translation>
    </message>
    <message>
        <source>Manage models…</source>
        <translation>管理模型…</translation>
    </message>
</context>
<context>
    <name>ui::ModelCard</name>
    <message>
        <source>comes with Diptych</source>
        <translation>随 Diptych 提供</translation>
    </message>
    <message>
        <source>added from disk</source>
        <translation>从磁盘添加</translation>
    </message>
    <message>
        <source>Load</source>
        <translation>加载</translation>
    </message>
    <message>
        <source>Details</source>
        <translation>详情</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>Takes it off this list; the files stay where they are.</source>
        <translation>只从列表中移除，文件保留在原处。</translation>
    </message>
    <message>
        <source>Architecture</source>
        <translation>架构</translation>
    </message>
    <message>
        <source>Parameters</source>
        <translation>参数量</translation>
    </message>
    <message>
        <source>%1, %2 active</source>
        <translation>%1，激活 %2</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>精度</translation>
    </message>
    <message>
        <source>On disk</source>
        <translation>磁盘占用</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>内存</translation>
    </message>
    <message>
        <source>about %1</source>
        <translation>约 %1</translation>
    </message>
    <message>
        <source>Estimate: weights and the cache of a full context.</source>
        <translation>估计值：权重加完整上下文的缓存。</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>上下文</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 个词元</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>图片</translation>
    </message>
    <message>
        <source>reads them</source>
        <translation>能看图</translation>
    </message>
    <message>
        <source>no</source>
        <translation>不能</translation>
    </message>
    <message>
        <source>Path</source>
        <translation>路径</translation>
    </message>
    <message>
        <source>Format</source>
        <translation>格式</translation>
    </message>
    <message>
        <source>Layers</source>
        <translation>层数</translation>
    </message>
    <message>
        <source>%1, hidden size %2</source>
        <translation>%1，隐藏维度 %2</translation>
    </message>
    <message>
        <source>Vocabulary</source>
        <translation>词表</translation>
    </message>
    <message>
        <source>Experts</source>
        <translation>专家</translation>
    </message>
    <message>
        <source>%1, of which %2 work on each token</source>
        <translation>%1 个，每个词元使用 %2 个</translation>
    </message>
    <message>
        <source>Conversation format</source>
        <translation>对话格式</translation>
    </message>
    <message>
        <source>Thinking</source>
        <translation>思考</translation>
    </message>
    <message>
        <source>thinks before it answers</source>
        <translation>回答前先思考</translation>
    </message>
    <message>
        <source>answers directly</source>
        <translation>直接回答</translation>
    </message>
    <message>
        <source>Context cache</source>
        <translation>上下文缓存</translation>
    </message>
    <message>
        <source>%1 a token</source>
        <translation>每个词元 %1</translation>
    </message>
    <message>
        <source>Re-quantised</source>
        <translation>重新量化</translation>
    </message>
    <message>
        <source>weights are packed to 4 bits when it is loaded; the files are those of the model above</source>
        <translation>加载时权重压缩为 4 位；文件与上面的模型相同</translation>
    </message>
    <message>
        <source>Note</source>
        <translation>备注</translation>
    </message>
    <message>
        <source>● Loaded</source>
        <translation>● 已加载</translation>
    </message>
    <message>
        <source>Unload</source>
        <translation>卸载</translation>
    </message>
    <message>
        <source>Loading, %1 %</source>
        <translation>正在加载，%1 %</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Could not be loaded</source>
        <translation>无法加载</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>重试</translation>
    </message>
    <message>
        <source>Not loaded</source>
        <translation>未加载</translation>
    </message>
    <message>
        <source>Cannot be used</source>
        <translation>无法使用</translation>
    </message>
    <message>
        <source>Read from the engine: weights %1, context cache %2.</source>
        <translation>引擎实测：权重 %1，上下文缓存 %2。</translation>
    </message>
    <message>
        <source>Ways to load %1 that work</source>
        <translation>%1 可行的加载方式</translation>
    </message>
    <message>
        <source>Back to the settings</source>
        <translation>恢复为设置中的方式</translation>
    </message>
    <message>
        <source>Loads it again as Settings say.</source>
        <translation>重新按设置加载。</translation>
    </message>
    <message>
        <source>Loaded otherwise than Settings say: %1</source>
        <translation>加载方式与设置不同：%1</translation>
    </message>
</context>
<context>
    <name>ui::ModelLibrary</name>
    <message>
        <source>The model that comes with Diptych is missing; install Diptych again.</source>
        <translation>缺少随 Diptych 提供的模型；请重新安装 Diptych。</translation>
    </message>
    <message>
        <source>%1 4-bit</source>
        <translation>%1 4 位</translation>
    </message>
</context>
<context>
    <name>ui::ModelsPage</name>
    <message>
        <source>What went wrong</source>
        <translation>出了什么问题</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Add a folder…</source>
        <translation>添加文件夹…</translation>
    </message>
    <message>
        <source>A folder in Hugging Face layout: config.json, safetensors, tokenizer.json.</source>
        <translation>Hugging Face 格式的文件夹：config.json、safetensors、tokenizer.json。</translation>
    </message>
    <message>
        <source>Add a .gguf file…</source>
        <translation>添加 .gguf 文件…</translation>
    </message>
    <message>
        <source>Models are read where they lie; nothing is copied and nothing is sent. You can also drop a folder or a .gguf file here.</source>
        <translation>模型在原处读取，不复制也不外传。也可以把文件夹或 .gguf 文件拖到这里。</translation>
    </message>
    <message>
        <source>Add a model folder</source>
        <translation>添加模型文件夹</translation>
    </message>
    <message>
        <source>Add a model file</source>
        <translation>添加模型文件</translation>
    </message>
    <message>
        <source>GGUF models (*.gguf)</source>
        <translation>GGUF 模型 (*.gguf)</translation>
    </message>
    <message>
        <source>%1 was not added: %2</source>
        <translation>未添加 %1：%2</translation>
    </message>
</context>
<context>
    <name>ui::OfferBar</name>
    <message>
        <source>%1 cannot be used as Settings say: %2 What would work:</source>
        <translation>无法按设置使用 %1：%2可行的办法：</translation>
    </message>
    <message>
        <source>Ways to load the model that work</source>
        <translation>可行的模型加载方式</translation>
    </message>
</context>
<context>
    <name>ui::ParametersPopover</name>
    <message>
        <source>How the model answers</source>
        <translation>模型如何回答</translation>
    </message>
    <message>
        <source>Temperature</source>
        <translation>温度</translation>
    </message>
    <message>
        <source>0 always takes the likeliest word; higher values vary more</source>
        <translation>0 总是选最可能的词；数值越大变化越多</translation>
    </message>
    <message>
        <source>Top-p</source>
        <translation>Top-p</translation>
    </message>
    <message>
        <source>Only the likeliest words that make up this share; 1 is off</source>
        <translation>只考虑合计占此比例的最可能的词；1 为关闭</translation>
    </message>
    <message>
        <source>Top-k</source>
        <translation>Top-k</translation>
    </message>
    <message>
        <source>Only this many likeliest words; 0 is off</source>
        <translation>只考虑这么多个最可能的词；0 为关闭</translation>
    </message>
    <message>
        <source>Min-p</source>
        <translation>Min-p</translation>
    </message>
    <message>
        <source>Drops words less likely than this share of the likeliest; 0 is off</source>
        <translation>去掉概率低于最可能的词此比例的词；0 为关闭</translation>
    </message>
    <message>
        <source>Repetition penalty</source>
        <translation>重复惩罚</translation>
    </message>
    <message>
        <source>Above 1 repeats less; 1 is off</source>
        <translation>大于 1 时减少重复；1 为关闭</translation>
    </message>
    <message>
        <source>Longest answer</source>
        <translation>最长回答</translation>
    </message>
    <message>
        <source>In tokens</source>
        <translation>以词元计</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>随机种子</translation>
    </message>
    <message>
        <source>The same seed gives the same answer</source>
        <translation>相同的种子给出相同的回答</translation>
    </message>
    <message>
        <source>A new seed for every answer</source>
        <translation>每次回答都换新种子</translation>
    </message>
    <message>
        <source>System prompt</source>
        <translation>系统提示词</translation>
    </message>
    <message>
        <source>None: the model&apos;s own manner</source>
        <translation>无：按模型自己的方式</translation>
    </message>
    <message>
        <source>Reset</source>
        <translation>重置</translation>
    </message>
</context>
<context>
    <name>ui::PictureTray</name>
    <message>
        <source>Picture</source>
        <translation>图片</translation>
    </message>
    <message>
        <source>%1, %2 × %3</source>
        <translation>%1，%2 × %3</translation>
    </message>
</context>
<context>
    <name>ui::QuestionStrip</name>
    <message>
        <source>%1 × %2</source>
        <translation>%1 × %2</translation>
    </message>
    <message numerus="yes">
        <source>%n picture token(s)</source>
        <translation>
            <numerusform>%n 个图片词元</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>ui::RunningAnswer</name>
    <message>
        <source>The conversation does not fit the model&apos;s context any more. All of it is kept. Start a new chat, or choose a model with a longer context. (%1)</source>
        <translation>对话已超出模型的上下文长度。全部内容都已保留。请开始新对话，或选择上下文更长的模型。（%1）</translation>
    </message>
    <message>
        <source>There is not enough memory for this answer. Your question is kept. Unload a model on the Models page, or ask with fewer pictures. (%1)</source>
        <translation>内存不足，无法生成这个回答。你的问题已保留。请在“模型”页卸载一个模型，或减少图片后再问。（%1）</translation>
    </message>
    <message>
        <source>The model cannot be used: %1 Your question is kept. Choose another model above.</source>
        <translation>无法使用该模型：%1 你的问题已保留。请在上方选择另一个模型。</translation>
    </message>
    <message>
        <source>The device cannot be used: %1 What was written is kept. Choose another device in Settings and ask again.</source>
        <translation>设备无法使用：%1 已写出的内容已保留。请在“设置”中选择另一个设备后重新提问。</translation>
    </message>
    <message>
        <source>The model could not take the picture: %1 Your question is kept.</source>
        <translation>模型无法接收这张图片：%1 你的问题已保留。</translation>
    </message>
    <message>
        <source>The answer could not be finished: %1 What was written is kept. You can ask again.</source>
        <translation>回答未能完成：%1 已写出的内容已保留，可以重新提问。</translation>
    </message>
    <message>
        <source>The answer could not be finished.</source>
        <translation>回答未能完成。</translation>
    </message>
    <message>
        <source>ended at the limit of %1 tokens</source>
        <translation>到达 %1 个词元的上限而结束</translation>
    </message>
    <message>
        <source>.</source>
        <comment>ends a sentence</comment>
        <translation>。</translation>
    </message>
</context>
<context>
    <name>ui::SessionListModel</name>
    <message>
        <source>Today</source>
        <translation>今天</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>昨天</translation>
    </message>
    <message>
        <source>Last 7 days</source>
        <translation>最近 7 天</translation>
    </message>
    <message>
        <source>Last 30 days</source>
        <translation>最近 30 天</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>无标题</translation>
    </message>
    <message>
        <source>Nothing found</source>
        <translation>没有找到</translation>
    </message>
    <message>
        <source>Found</source>
        <translation>搜索结果</translation>
    </message>
</context>
<context>
    <name>ui::SettingsPage</name>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation>外观</translation>
    </message>
    <message>
        <source>As the system</source>
        <translation>跟随系统</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>语言</translation>
    </message>
    <message>
        <source>Changes at once.</source>
        <translation>立即生效。</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>浅色</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>深色</translation>
    </message>
    <message>
        <source>Theme</source>
        <translation>主题</translation>
    </message>
    <message>
        <source>Engine</source>
        <translation>引擎</translation>
    </message>
    <message>
        <source>%1, %2</source>
        <translation>%1，%2</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>设备</translation>
    </message>
    <message>
        <source>Models loaded from now on run here.</source>
        <translation>之后加载的模型在此设备上运行。</translation>
    </message>
    <message>
        <source>All that are allowed</source>
        <translation>允许的全部</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>线程数</translation>
    </message>
    <message>
        <source>Of the processor, for models loaded from now on.</source>
        <translation>处理器线程，用于之后加载的模型。</translation>
    </message>
    <message>
        <source>Data</source>
        <translation>数据</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>打开</translation>
    </message>
    <message>
        <source>Change…</source>
        <translation>更改…</translation>
    </message>
    <message>
        <source>Data folder</source>
        <translation>数据文件夹</translation>
    </message>
    <message>
        <source>From the next start: %1</source>
        <translation>下次启动起：%1</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>网络</translation>
    </message>
    <message>
        <source>Diptych works offline. Questions, pictures and answers stay on this computer; nothing is sent anywhere.</source>
        <translation>Diptych 离线运行。问题、图片和回答都留在这台电脑上，不会向外发送。</translation>
    </message>
    <message>
        <source>Choose the data folder</source>
        <translation>选择数据文件夹</translation>
    </message>
    <message>
        <source>From the next start: %1. What is in the present folder stays there.</source>
        <translation>下次启动起：%1。当前文件夹中的内容保留在原处。</translation>
    </message>
    <message>
        <source>Models loaded from now on run here. A card cannot be used: %1</source>
        <translation>此后加载的模型在这里运行。显卡不可用：%1</translation>
    </message>
</context>
<context>
    <name>ui::Sidebar</name>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>Start a new chat (Ctrl+N)</source>
        <translation>开始新对话（Ctrl+N）</translation>
    </message>
    <message>
        <source>Search all conversations</source>
        <translation>搜索全部对话</translation>
    </message>
    <message>
        <source>Conversations</source>
        <translation>对话列表</translation>
    </message>
    <message>
        <source>Chat</source>
        <translation>对话</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>对比</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>Rename…</source>
        <translation>重命名…</translation>
    </message>
    <message>
        <source>Delete…</source>
        <translation>删除…</translation>
    </message>
    <message>
        <source>Rename</source>
        <translation>重命名</translation>
    </message>
    <message>
        <source>Title:</source>
        <translation>标题：</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
    <message>
        <source>Delete “%1”?</source>
        <translation>删除“%1”？</translation>
    </message>
    <message>
        <source>Its messages and pictures are removed from this machine and cannot be brought back.</source>
        <translation>其中的消息和图片将从本机删除，无法恢复。</translation>
    </message>
    <message>
        <source>Keep</source>
        <translation>保留</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>搜索</translation>
    </message>
</context>
<context>
    <name>ui::StatusLine</name>
    <message>
        <source>No model loaded</source>
        <translation>未加载模型</translation>
    </message>
    <message>
        <source>Weights %1</source>
        <translation>权重 %1</translation>
    </message>
    <message>
        <source>Context %1 of %2</source>
        <translation>上下文 %1 / %2</translation>
    </message>
    <message>
        <source>Card %1 free of %2</source>
        <translation>显卡空闲 %1，共 %2</translation>
    </message>
    <message>
        <source>%1 answering</source>
        <translation>%1 正在回答</translation>
    </message>
    <message>
        <source>%1 ready</source>
        <translation>%1 就绪</translation>
    </message>
    <message>
        <source>Offline</source>
        <translation>离线</translation>
    </message>
</context>
<context>
    <name>ui::TranscriptView</name>
    <message>
        <source>You</source>
        <translation>你</translation>
    </message>
    <message>
        <source>[picture %1] </source>
        <translation>[图片 %1] </translation>
    </message>
    <message>
        <source>Thinking…</source>
        <translation>思考中…</translation>
    </message>
    <message>
        <source>Thought for %1 s</source>
        <translation>思考了 %1 秒</translation>
    </message>
    <message>
        <source>Thinking</source>
        <translation>思考</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 个词元</translation>
    </message>
    <message>
        <source>Loading the model, %1 %</source>
        <translation>正在加载模型，%1 %</translation>
    </message>
    <message>
        <source>Loading the model</source>
        <translation>正在加载模型</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>等待中</translation>
    </message>
    <message>
        <source>Looking</source>
        <translation>看图中</translation>
    </message>
    <message>
        <source>Looking, tile %1 of %2</source>
        <translation>看图中，第 %1 / %2 块</translation>
    </message>
    <message>
        <source>Reading</source>
        <translation>阅读中</translation>
    </message>
    <message>
        <source>Reading %1 of %2</source>
        <translation>阅读中 %1 / %2</translation>
    </message>
    <message>
        <source>Answering</source>
        <translation>回答中</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>已停止</translation>
    </message>
    <message>
        <source>Interrupted, kept up to here</source>
        <translation>已中断，内容保留到此处</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>失败</translation>
    </message>
    <message>
        <source>%1 tok/s</source>
        <translation>%1 词元/秒</translation>
    </message>
    <message>
        <source>first word %1 s</source>
        <translation>首词 %1 秒</translation>
    </message>
    <message>
        <source>seed %1</source>
        <translation>种子 %1</translation>
    </message>
    <message>
        <source>Prompt: %1 tokens</source>
        <translation>提示：%1 个词元</translation>
    </message>
    <message>
        <source>of these for pictures: %1</source>
        <translation>其中图片：%1</translation>
    </message>
    <message>
        <source>Thinking: %1 tokens</source>
        <translation>思考：%1 个词元</translation>
    </message>
    <message>
        <source>Answer: %1 tokens</source>
        <translation>回答：%1 个词元</translation>
    </message>
    <message>
        <source>Reading: %1 tokens per second</source>
        <translation>阅读：每秒 %1 个词元</translation>
    </message>
    <message>
        <source>Writing: %1 tokens per second</source>
        <translation>书写：每秒 %1 个词元</translation>
    </message>
    <message>
        <source>First word after %1 ms</source>
        <translation>%1 毫秒后出现首词</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>复制</translation>
    </message>
    <message>
        <source>Edit</source>
        <translation>修改</translation>
    </message>
    <message>
        <source>Regenerate</source>
        <translation>重新回答</translation>
    </message>
    <message>
        <source>Code copied</source>
        <translation>代码已复制</translation>
    </message>
    <message>
        <source>Copied as Markdown</source>
        <translation>已复制为 Markdown</translation>
    </message>
    <message>
        <source>Copied</source>
        <translation>已复制</translation>
    </message>
    <message>
        <source>Conversation</source>
        <translation>对话内容</translation>
    </message>
    <message>
        <source>Copy code</source>
        <translation>复制代码</translation>
    </message>
    <message>
        <source>Select all</source>
        <translation>全选</translation>
    </message>
    <message>
        <source>Copy link</source>
        <translation>复制链接</translation>
    </message>
    <message>
        <source>Picture %1</source>
        <translation>图片 %1</translation>
    </message>
    <message>
        <source>Link %1</source>
        <translation>链接 %1</translation>
    </message>
</context>
</TS>

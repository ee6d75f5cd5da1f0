// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/composer.h"

#include "chat/growing_text_edit.h"
#include "chat/picture_tray.h"
#include "theme/icons.h"
#include "theme/style.h"
#include "widgets/picture_viewer.h"
#include "widgets/role_label.h"

#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QMimeData>
#include <QPainter>
#include <QPushButton>
#include <QStandardPaths>
#include <QUrl>

namespace ui {

namespace {

constexpr int kMostPictures = 16;
// Encoded pictures as programs put them on the clipboard; decoded by us, not by Qt.
const char *const kEncodedFormats[] = {"image/png", "image/webp", "image/jpeg", "image/bmp"};

QStringList localFiles(const QMimeData *data)
{
    QStringList files;
    for (const QUrl &url : data->urls()) {
        if (url.isLocalFile())
            files << url.toLocalFile();
    }
    return files;
}

} // namespace

struct Composer::Private {
    ImageLoader *loader = nullptr;
    PictureTray *tray = nullptr;
    QLabel *problem = nullptr;
    RoleLabel *advice = nullptr;
    GrowingTextEdit *text = nullptr;
    QPushButton *add = nullptr;
    QPushButton *think = nullptr;
    QHBoxLayout *tools = nullptr;
    QLabel *context = nullptr;
    QPushButton *send = nullptr;
    bool busy = false;
    bool picturesAllowed = true;
    bool sendWhenRead = false;
    QString whyNoPictures;
    QString whyPictures;
    QString hint;
    int usedTokens = 0;
    int ofTokens = 0;
};

Composer::Composer(ImageLoader &loader, QWidget *parent) : QFrame(parent), d(std::make_unique<Private>())
{
    d->loader = &loader;
    auto *column = new QVBoxLayout(this);
    column->setContentsMargins(14, 12, 14, 12);
    column->setSpacing(8);
    d->tray = new PictureTray(this);
    d->problem = new QLabel(this);
    d->problem->setWordWrap(true);
    d->problem->setVisible(false);
    d->problem->setTextFormat(Qt::PlainText);
    d->text = new GrowingTextEdit(this);
    d->text->installEventFilter(this);
    d->advice = new RoleLabel(theme::Role::Muted, {}, this);
    d->advice->setPixelSize(theme::kSmallPixels);
    d->advice->setWordWrap(true);
    d->advice->setVisible(false);
    column->addWidget(d->tray);
    column->addWidget(d->problem);
    column->addWidget(d->text);
    column->addWidget(d->advice);

    auto *row = new QHBoxLayout;
    row->setSpacing(8);
    d->add = new QPushButton(this);
    d->add->setIcon(theme::icon(QStringLiteral("picture")));
    d->think = new QPushButton(this);
    d->think->setCheckable(true);
    d->think->setIcon(theme::icon(QStringLiteral("think")));
    d->think->setVisible(false);
    d->tools = new QHBoxLayout;
    d->tools->setSpacing(8);
    d->context = new QLabel(this);
    QFont small = d->context->font();
    small.setPixelSize(theme::kSmallPixels);
    d->context->setFont(small);
    d->send = new QPushButton(this);
    theme::setKind(d->send, theme::Kind::Primary);
    row->addWidget(d->add);
    row->addWidget(d->think);
    row->addLayout(d->tools);
    row->addStretch(1);
    row->addWidget(d->context);
    row->addWidget(d->send);
    column->addLayout(row);

    const auto changed = [this] {
        const bool something = !text().trimmed().isEmpty() || d->tray->count() > 0;
        d->send->setEnabled(d->busy || something);
        setPicturesExpected(d->whyPictures);
        emit contentChanged();
    };
    connect(d->text, &QTextEdit::textChanged, this, changed);
    connect(d->tray, &PictureTray::changed, this, changed);
    connect(d->tray, &PictureTray::pictureActivated, this, [this](int index) {
        const QVector<LoadedPicture> all = pictures();
        if (index < all.size() && all[index].image)
            PictureViewer::open(window(), ImageLoader::toQImage(*all[index].image), all[index].name);
    });
    connect(d->text, &GrowingTextEdit::submitted, this, [this] {
        if (!d->busy)
            send();
    });
    connect(d->text, &GrowingTextEdit::mimeDataPasted, this, [this](const QMimeData *mime, bool *taken) {
        // Office programs offer a picture of the text they copy: the text is meant.
        if (mime->hasFormat(QStringLiteral("text/plain")) && localFiles(mime).isEmpty())
            return;
        if (canTake(mime)) {
            takeMimeData(mime);
            *taken = true;
        }
    });
    connect(d->add, &QPushButton::clicked, this, &Composer::choosePictures);
    connect(d->think, &QPushButton::toggled, this, [this](bool on) {
        setThinkOn(on);
        emit thinkToggled(on);
    });
    connect(d->send, &QPushButton::clicked, this, [this] {
        if (d->busy)
            emit stopRequested();
        else
            send();
    });
    connect(&loader, &ImageLoader::loaded, this, [this](quint64 number, const LoadedPicture &picture) {
        if (!d->tray->isPending(number))
            return;
        d->tray->setLoaded(number, picture);
        if (d->sendWhenRead && !d->tray->isReading())
            send();
    });
    connect(&loader, &ImageLoader::failed, this, [this](quint64 number, const QString &, const QString &sentence) {
        if (!d->tray->isPending(number))
            return;
        d->sendWhenRead = false; // the question meant this picture
        d->tray->dropPending(number);
        d->problem->setText(sentence);
        d->problem->setVisible(true);
    });
    QEvent language(QEvent::LanguageChange);
    changeEvent(&language);
    QEvent palette(QEvent::PaletteChange);
    changeEvent(&palette);
    changed();
    setFocusProxy(d->text);
}

Composer::~Composer() = default;

QString Composer::text() const
{
    return d->text->toPlainText();
}

void Composer::setText(const QString &text)
{
    d->text->setPlainText(text);
    d->text->moveCursor(QTextCursor::End);
}

QVector<LoadedPicture> Composer::pictures() const
{
    return d->tray->pictures();
}

void Composer::setPictures(const QVector<LoadedPicture> &pictures)
{
    d->tray->setPictures(pictures);
}

bool Composer::hasPictures() const
{
    return d->tray->count() > 0;
}

void Composer::clear()
{
    d->text->clear();
    d->tray->clear();
    d->problem->setVisible(false);
    d->sendWhenRead = false;
}

void Composer::setBusy(bool busy)
{
    d->busy = busy;
    d->send->setText(busy ? tr("Stop") : tr("Send"));
    d->send->setIcon(busy ? theme::icon(QStringLiteral("stop"), theme::Role::OnAccent)
                          : theme::icon(QStringLiteral("send"), theme::Role::OnAccent));
    d->send->setToolTip(busy ? tr("Stop the answer (Esc)") : tr("Send (Enter), new line with Shift+Enter"));
    d->send->setEnabled(busy || !text().trimmed().isEmpty() || d->tray->count() > 0);
}

void Composer::setPicturesAllowed(bool allowed, const QString &why)
{
    d->picturesAllowed = allowed;
    d->whyNoPictures = why;
    d->add->setEnabled(allowed);
    d->add->setToolTip(allowed ? tr("Add pictures: choose, drop or paste them") : why);
}

void Composer::setPicturesExpected(const QString &why)
{
    d->whyPictures = why;
    d->advice->setText(why);
    d->advice->setVisible(!why.isEmpty() && !text().trimmed().isEmpty() && !hasPictures());
}

void Composer::setThinkVisible(bool visible)
{
    d->think->setVisible(visible);
}

bool Composer::isThinkOn() const
{
    return d->think->isChecked();
}

void Composer::setThinkOn(bool on)
{
    d->think->setChecked(on);
    d->think->setText(on ? tr("Think: on") : tr("Think: off"));
}

void Composer::setContextUse(int usedTokens, int ofTokens)
{
    d->usedTokens = usedTokens;
    d->ofTokens = ofTokens;
    const QLocale locale;
    d->context->setText(ofTokens > 0 ? tr("%1 of %2 tokens").arg(locale.toString(usedTokens), locale.toString(ofTokens)) : QString());
    const bool tight = ofTokens > 0 && usedTokens > ofTokens * 9 / 10;
    QPalette palette = d->context->palette();
    const theme::Tokens &tokens = theme::tokensFor(this);
    palette.setColor(QPalette::WindowText, tokens[tight ? theme::Role::Warning : theme::Role::Muted]);
    d->context->setPalette(palette);
    d->context->setToolTip(ofTokens > 0 ? tr("How much of the model's context this conversation takes") : QString());
}

void Composer::setPlaceholder(const QString &text)
{
    d->hint = text;
    d->text->setHintText(text.isEmpty() ? tr("Ask about a picture, or drop one here") : text);
}

void Composer::addTool(QWidget *tool)
{
    d->tools->addWidget(tool);
}

void Composer::takeFocus()
{
    d->text->setFocus();
}

bool Composer::canTake(const QMimeData *data)
{
    if (!data)
        return false;
    if (!localFiles(data).isEmpty() || data->hasImage())
        return true;
    return std::any_of(std::begin(kEncodedFormats), std::end(kEncodedFormats),
        [data](const char *format) { return data->hasFormat(QString::fromLatin1(format)); });
}

void Composer::takeMimeData(const QMimeData *mime)
{
    const QStringList files = localFiles(mime);
    if (!files.isEmpty()) {
        for (const QString &file : files)
            addFile(file);
        return;
    }
    if (!d->picturesAllowed || d->tray->count() >= kMostPictures) {
        addFile({}); // says why not
        return;
    }
    d->problem->setVisible(false);
    for (const char *format : kEncodedFormats) {
        const QByteArray encoded = mime->data(QString::fromLatin1(format));
        if (!encoded.isEmpty()) {
            d->tray->addPending(d->loader->loadBytes(encoded, {}));
            return;
        }
    }
    if (mime->hasImage()) {
        const QImage image = qvariant_cast<QImage>(mime->imageData());
        if (!image.isNull())
            d->tray->addPending(d->loader->loadPasted(image));
    }
}

void Composer::addFile(const QString &path)
{
    d->problem->setVisible(false);
    if (!d->picturesAllowed || d->tray->count() >= kMostPictures) {
        d->problem->setText(!d->picturesAllowed ? d->whyNoPictures
                                                : tr("A question takes at most %1 pictures.").arg(kMostPictures));
        d->problem->setVisible(true);
        return;
    }
    if (!path.isEmpty())
        d->tray->addPending(d->loader->loadFile(path));
}

void Composer::choosePictures()
{
    const QString folder = QStandardPaths::writableLocation(QStandardPaths::PicturesLocation);
    const QStringList files = QFileDialog::getOpenFileNames(window(), tr("Add pictures"), folder,
        tr("Pictures (*.png *.jpg *.jpeg *.webp *.bmp);;All files (*)"));
    for (const QString &file : files)
        addFile(file);
    takeFocus();
}

void Composer::send()
{
    if (d->busy)
        return;
    if (d->tray->isReading()) {
        d->sendWhenRead = true; // goes out with the last picture
        return;
    }
    d->sendWhenRead = false;
    const QString question = text().trimmed();
    if (question.isEmpty()) {
        if (d->tray->count() > 0) {
            d->problem->setText(tr("Write a question about the picture first."));
            d->problem->setVisible(true);
            takeFocus();
        }
        return;
    }
    emit sendRequested(question, pictures());
}

void Composer::changeEvent(QEvent *event)
{
    if (event->type() == QEvent::LanguageChange && d->send) {
        d->add->setText(tr("Add picture"));
        setBusy(d->busy);
        setThinkOn(isThinkOn());
        setPicturesAllowed(d->picturesAllowed, d->whyNoPictures);
        if (d->hint.isEmpty())
            setPlaceholder({});
        setContextUse(d->usedTokens, d->ofTokens);
        d->think->setToolTip(tr("Whether the model thinks before it answers"));
    } else if (event->type() == QEvent::PaletteChange && d->send) {
        const theme::Tokens &tokens = theme::tokensFor(this);
        QPalette palette = d->problem->palette();
        if (palette.color(QPalette::WindowText) != tokens[theme::Role::Error]) {
            palette.setColor(QPalette::WindowText, tokens[theme::Role::Error]);
            d->problem->setPalette(palette);
        }
        QPalette textPalette = d->text->palette();
        if (textPalette.color(QPalette::Base) != QColor(Qt::transparent)) {
            textPalette.setColor(QPalette::Base, Qt::transparent);
            d->text->setPalette(textPalette);
        }
        setContextUse(d->usedTokens, d->ofTokens);
    }
    QFrame::changeEvent(event);
}

void Composer::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    const theme::Tokens &tokens = theme::tokensFor(this);
    const bool focused = d->text->hasFocus();
    theme::drawRounded(&painter, QRectF(rect()), theme::kRadiusBubble, tokens[theme::Role::Surface],
        focused ? tokens[theme::Role::Accent] : tokens[theme::Role::Border]);
}

bool Composer::eventFilter(QObject *watched, QEvent *event)
{
    if (watched == d->text && (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut))
        update();
    return QFrame::eventFilter(watched, event);
}

} // namespace ui

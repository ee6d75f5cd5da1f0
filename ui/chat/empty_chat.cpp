// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "chat/empty_chat.h"

#include "theme/icons.h"
#include "theme/style.h"

#include <QCoreApplication>
#include <QDir>
#include <QEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>

#include <algorithm>

namespace ui {

namespace {

// The example's picture beside the questions one can click.
class ExampleCard final : public QWidget
{
public:
    explicit ExampleCard(const QString &path, QWidget *parent) : QWidget(parent)
    {
        const QImage image(path); // ours, from the installation
        m_image = image.isNull() ? image : image.scaled(480, 360, Qt::KeepAspectRatio, Qt::SmoothTransformation);
    }
    void setPictureWidth(int width) // 0: no room for one
    {
        m_pictureWidth = width;
        update();
    }

protected:
    void paintEvent(QPaintEvent *) override
    {
        QPainter painter(this);
        painter.setRenderHints(QPainter::Antialiasing | QPainter::SmoothPixmapTransform);
        const theme::Tokens &tokens = theme::tokensFor(this);
        theme::drawRounded(&painter, QRectF(rect()), theme::kRadiusBubble, tokens[theme::Role::Surface], tokens[theme::Role::Border]);
        if (m_image.isNull() || m_pictureWidth == 0)
            return;
        const QSizeF size = QSizeF(m_image.size()).scaled(m_pictureWidth, height() - 32, Qt::KeepAspectRatio);
        const QRectF at(QPointF(16, (height() - size.height()) / 2), size);
        theme::drawRoundedImage(&painter, at, theme::kRadiusPicture, m_image, at);
        theme::drawRounded(&painter, at, theme::kRadiusPicture, QColor(), tokens[theme::Role::Border]);
    }

private:
    QImage m_image;
    int m_pictureWidth = 0;
};

constexpr int kMargin = 24, kPadding = 16;
constexpr int kCardWidth = 540, kCardHeight = 176, kPictureWidth = 208;
constexpr int kQuestionWidth = kCardWidth - 3 * kPadding - kPictureWidth; // what the questions need
constexpr int kLeastPicture = 100;

} // namespace

QString EmptyChat::examplePicture()
{
    QDir folder(QCoreApplication::applicationDirPath());
    const QString installed = folder.filePath(QStringLiteral("../share/diptych/pictures/shapes.png"));
    if (QFileInfo::exists(installed))
        return QDir::cleanPath(installed);
    for (int up = 0; up < 6; ++up) { // a build folder inside the source tree
        const QString candidate = folder.filePath(QStringLiteral("resources/pictures/shapes.png"));
        if (QFileInfo::exists(candidate))
            return QDir::cleanPath(candidate);
        if (!folder.cdUp())
            break;
    }
    return {};
}

EmptyChat::EmptyChat(QWidget *parent) : QWidget(parent), m_title(new QLabel(this)), m_text(new QLabel(this)), m_hint(new QLabel(this))
{
    const QString picture = examplePicture();
    auto *column = new QVBoxLayout(this);
    column->setContentsMargins(kMargin, kMargin, kMargin, kMargin);
    column->setSpacing(8);
    column->addStretch(2);
    QFont font = m_title->font();
    font.setPixelSize(22);
    font.setWeight(QFont::DemiBold);
    m_title->setFont(font);
    m_title->setAlignment(Qt::AlignCenter);
    m_text->setAlignment(Qt::AlignCenter);
    m_text->setWordWrap(true);
    column->addWidget(m_title);
    column->addWidget(m_text);
    column->addSpacing(kPadding);
    m_card = new ExampleCard(picture, this);
    m_card->setMinimumWidth(1); // it yields before the window does
    m_card->setMaximumWidth(kCardWidth);
    m_card->setFixedHeight(kCardHeight);
    auto *questions = new QVBoxLayout(m_card);
    questions->setSpacing(8);
    questions->addStretch(1);
    m_hint = new QLabel(m_card);
    QFont small = m_hint->font();
    small.setPixelSize(theme::kSmallPixels);
    m_hint->setFont(small);
    questions->addWidget(m_hint);
    for (int index = 0; index < 3; ++index) {
        auto *button = new QPushButton(m_card);
        button->setProperty("alignLeft", true);
        connect(button, &QPushButton::clicked, this, [this, button, picture] { emit exampleRequested(picture, button->text()); });
        questions->addWidget(button);
        m_questions.push_back(button);
    }
    questions->addStretch(1);
    m_hasExample = !picture.isEmpty();
    auto *row = new QHBoxLayout;
    row->addStretch(1);
    row->addWidget(m_card, 1000);
    row->addStretch(1);
    column->addLayout(row);
    column->addStretch(3);
    retranslate();
}

void EmptyChat::retranslate()
{
    m_title->setText(tr("Ask about a picture"));
    m_text->setText(tr("Drop a picture anywhere here, paste one, or choose it below, and write your question.\n"
                       "Everything runs on this machine; nothing is sent anywhere."));
    m_hint->setText(tr("Or try this picture:"));
    const QStringList texts{tr("How many shapes are in the picture?"), tr("What shape is the biggest?"), tr("Describe the picture.")};
    for (int index = 0; index < m_questions.size(); ++index)
        m_questions[index]->setText(texts[index]);
    const theme::Tokens &tokens = theme::tokensFor(this);
    for (QLabel *label : {m_text, m_hint}) {
        QPalette palette = label->palette();
        palette.setColor(QPalette::WindowText, tokens[theme::Role::Muted]);
        label->setPalette(palette);
    }
}

// A small window keeps what fits whole: first the picture of the example goes, then the sentences, then the example.
void EmptyChat::fit()
{
    const int room = width() - 2 * kMargin;
    const int picture = std::min(room, kCardWidth) - 3 * kPadding - kQuestionWidth;
    const bool showsPicture = picture >= kLeastPicture;
    static_cast<ExampleCard *>(m_card)->setPictureWidth(showsPicture ? picture : 0);
    m_card->layout()->setContentsMargins(showsPicture ? 2 * kPadding + picture : kPadding, kPadding, kPadding, kPadding);
    const int gap = layout()->spacing();
    const int least = 2 * kMargin + m_title->sizeHint().height() + 3 * gap + kPadding + kCardHeight;
    const bool showsCard = m_hasExample && room >= kQuestionWidth + 2 * kPadding && height() >= least;
    m_card->setVisible(showsCard);
    m_text->setVisible(!showsCard || height() >= least + gap + m_text->heightForWidth(room));
}

void EmptyChat::resizeEvent(QResizeEvent *event)
{
    QWidget::resizeEvent(event);
    fit();
}

void EmptyChat::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange || event->type() == QEvent::PaletteChange)
        retranslate();
    if (event->type() == QEvent::LanguageChange)
        fit();
}

} // namespace ui

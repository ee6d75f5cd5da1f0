// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "shell/session_list.h"

#include "theme/style.h"
#include "theme/tokens.h"

#include <QDate>
#include <QLocale>
#include <QPainter>

namespace ui {

using ThemeRole = theme::Role;

namespace {

QString groupOf(const QDateTime &updated)
{
    const QDate day = updated.toLocalTime().date();
    const QDate today = QDate::currentDate();
    const qint64 age = day.daysTo(today);
    if (age <= 0)
        return SessionListModel::tr("Today");
    if (age == 1)
        return SessionListModel::tr("Yesterday");
    if (age < 7)
        return SessionListModel::tr("Last 7 days");
    if (age < 31)
        return SessionListModel::tr("Last 30 days");
    return QLocale().toString(day, day.year() == today.year() ? QStringLiteral("MMMM") : QStringLiteral("MMMM yyyy"));
}

QString badgeOf(ConversationKind kind, int questions)
{
    return kind == ConversationKind::Compare ? QStringLiteral("A|B") : QString::number(questions);
}

} // namespace

SessionListModel::SessionListModel(QObject *parent) : QAbstractListModel(parent) {}

void SessionListModel::setSessions(const QVector<SessionRow> &rows)
{
    beginResetModel();
    m_rows.clear();
    QString group;
    for (const SessionRow &row : rows) {
        const QString name = groupOf(row.updated);
        if (name != group) {
            group = name;
            Row heading;
            heading.heading = true;
            heading.text = name;
            m_rows.push_back(heading);
        }
        Row line;
        line.text = row.title.isEmpty() ? tr("Untitled") : row.title;
        line.badge = badgeOf(row.kind, row.questions);
        line.id = row.id;
        line.kind = row.kind;
        m_rows.push_back(line);
    }
    endResetModel();
}

void SessionListModel::setHits(const QVector<SearchHit> &hits)
{
    beginResetModel();
    m_rows.clear();
    Row heading;
    heading.heading = true;
    heading.text = hits.isEmpty() ? tr("Nothing found") : tr("Found");
    m_rows.push_back(heading);
    for (const SearchHit &hit : hits) {
        Row line;
        line.text = hit.title.isEmpty() ? tr("Untitled") : hit.title;
        line.snippet = hit.message ? hit.snippet : QString();
        line.badge = hit.kind == ConversationKind::Compare ? badgeOf(hit.kind, 0) : QString();
        line.id = hit.session;
        line.message = hit.message;
        line.kind = hit.kind;
        m_rows.push_back(line);
    }
    endResetModel();
}

QModelIndex SessionListModel::indexOf(ConversationKind kind, RowId id) const
{
    for (int row = 0; row < m_rows.size(); ++row) {
        if (!m_rows[row].heading && m_rows[row].kind == kind && m_rows[row].id == id)
            return index(row);
    }
    return {};
}

int SessionListModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

QVariant SessionListModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const Row &row = m_rows[index.row()];
    switch (role) {
    case Qt::DisplayRole:
    case Qt::EditRole:
        return row.text;
    case Qt::ToolTipRole:
        return row.heading ? QVariant() : QVariant(row.text.toHtmlEscaped());
    case IdRole:
        return row.id;
    case KindRole:
        return static_cast<int>(row.kind);
    case HeadingRole:
        return row.heading;
    case BadgeRole:
        return row.badge;
    case SnippetRole:
        return row.snippet;
    case MessageRole:
        return row.message;
    default:
        return {};
    }
}

Qt::ItemFlags SessionListModel::flags(const QModelIndex &index) const
{
    if (!index.isValid())
        return Qt::NoItemFlags;
    return m_rows[index.row()].heading ? Qt::ItemFlags(Qt::ItemNeverHasChildren)
                                       : Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemNeverHasChildren;
}

QSize SessionDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    if (index.data(SessionListModel::HeadingRole).toBool())
        return {option.rect.width(), index.row() == 0 ? 26 : 36};
    return {option.rect.width(), index.data(SessionListModel::SnippetRole).toString().isEmpty() ? 36 : 54};
}

void SessionDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    const theme::Tokens &tokens = theme::tokensFor(option.palette);
    const QRectF rect(option.rect);
    painter->save();
    if (index.data(SessionListModel::HeadingRole).toBool()) {
        QFont font = option.font;
        font.setPixelSize(11);
        font.setWeight(QFont::DemiBold);
        font.setCapitalization(QFont::AllUppercase);
        font.setLetterSpacing(QFont::AbsoluteSpacing, 0.6);
        painter->setFont(font);
        painter->setPen(tokens[ThemeRole::Faint]);
        painter->drawText(rect.adjusted(10, 0, -10, -5), Qt::AlignBottom | Qt::AlignLeft, index.data().toString());
        painter->restore();
        return;
    }
    const bool selected = option.state.testFlag(QStyle::State_Selected);
    const QRectF row = rect.adjusted(0, 1, 0, -1);
    if (selected)
        theme::drawRounded(painter, row, theme::kRadiusControl, tokens[ThemeRole::AccentSoft]);
    else if (option.state.testFlag(QStyle::State_MouseOver))
        theme::drawRounded(painter, row, theme::kRadiusControl, tokens[ThemeRole::Hover]);
    if (option.state.testFlag(QStyle::State_HasFocus) && option.state.testFlag(QStyle::State_KeyboardFocusChange))
        theme::drawFocusRing(painter, row, theme::kRadiusControl, tokens[ThemeRole::Accent]);
    const QString badge = index.data(SessionListModel::BadgeRole).toString();
    const QString snippet = index.data(SessionListModel::SnippetRole).toString();
    QRectF text = row.adjusted(10, 0, -10, 0);
    if (!snippet.isEmpty())
        text.setHeight(32);
    QFont small = option.font;
    small.setPixelSize(theme::kSmallPixels);
    const QFontMetricsF smallMetrics(small);
    if (!badge.isEmpty()) {
        painter->setFont(small);
        painter->setPen(tokens[ThemeRole::Faint]);
        painter->drawText(text, Qt::AlignVCenter | Qt::AlignRight, badge);
        text.setRight(text.right() - smallMetrics.horizontalAdvance(badge) - 8);
    }
    QFont font = option.font;
    if (selected)
        font.setWeight(QFont::Medium);
    painter->setFont(font);
    painter->setPen(tokens[ThemeRole::Text]);
    painter->drawText(text, Qt::AlignVCenter | Qt::AlignLeft,
        QFontMetricsF(font).elidedText(index.data().toString(), Qt::ElideRight, text.width()));
    // The hits stand between isolates; they are shown in the accent.
    const QRectF line(row.left() + 10, row.top() + 27, row.width() - 20, 20);
    painter->setFont(small);
    qreal x = line.left();
    bool hit = false;
    QString piece;
    const auto flush = [&] {
        if (piece.isEmpty() || x >= line.right())
            return;
        painter->setPen(tokens[hit ? ThemeRole::Accent : ThemeRole::Muted]);
        const QString shown = smallMetrics.elidedText(piece, Qt::ElideRight, line.right() - x);
        painter->drawText(QRectF(x, line.top(), line.right() - x, line.height()), Qt::AlignVCenter | Qt::AlignLeft, shown);
        x += shown == piece ? smallMetrics.horizontalAdvance(piece) : line.width();
        piece.clear();
    };
    for (const QChar character : snippet) {
        if (character == QChar(0x2068) || character == QChar(0x2069)) {
            flush();
            hit = character == QChar(0x2068);
        } else {
            piece += character == u'\n' ? QChar(u' ') : character;
        }
    }
    flush();
    painter->restore();
}

} // namespace ui

// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "settings/settings_page.h"

#include "services/engine_service.h"
#include "services/local_sentence.h"
#include "services/settings.h"
#include "storage/conversation_store.h"
#include "theme/style.h"
#include "widgets/card.h"
#include "widgets/elided_label.h"
#include "widgets/page_header.h"
#include "widgets/role_label.h"

#include <QComboBox>
#include <QDesktopServices>
#include <QDir>
#include <QEvent>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLocale>
#include <QPushButton>
#include <QScrollArea>
#include <QSpinBox>
#include <QStandardItemModel>
#include <QTimer>
#include <QUrl>
#include <QVBoxLayout>

namespace ui {

namespace {
constexpr int kMaxWidth = 760;
constexpr int kControlWidth = 260;
}

SettingsPage::SettingsPage(EngineService &engine, ConversationStore &store, Settings &settings, QWidget *parent)
    : QWidget(parent), m_engine(engine), m_store(store), m_settings(settings), m_header(new PageHeader),
      m_page(new QVBoxLayout(this))
{
    m_page->setContentsMargins(0, 0, 0, 0);
    m_page->setSpacing(0);
    m_page->addWidget(m_header);
    build();
}

void SettingsPage::build()
{
    m_header->setTitle(tr("Settings"));
    if (m_content != nullptr)
        m_content->deleteLater();
    auto *scroll = new QScrollArea;
    scroll->setAccessibleName(tr("Settings"));
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto *inner = new QWidget;
    auto *centre = new QHBoxLayout(inner);
    centre->setContentsMargins(20, 20, 20, 20);
    auto *holder = new QWidget;
    holder->setMaximumWidth(kMaxWidth);
    centre->addWidget(holder, 1);
    auto *column = new QVBoxLayout(holder);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(20);
    addAppearance(column);
    addEngine(column);
    addData(column);
    column->addStretch(1);
    scroll->setWidget(inner);
    m_page->addWidget(scroll, 1);
    m_content = scroll;
}

QVBoxLayout *SettingsPage::addGroup(QVBoxLayout *column, const QString &title)
{
    auto *part = new QVBoxLayout;
    part->setSpacing(8);
    auto *heading = new RoleLabel(theme::Role::Muted, title);
    heading->setPixelSize(theme::kSmallPixels, true);
    part->addWidget(heading);
    auto *card = new Card;
    card->setAccessibleName(title);
    auto *rows = new QVBoxLayout(card);
    rows->setContentsMargins(20, 16, 20, 16);
    rows->setSpacing(16);
    part->addWidget(card);
    column->addLayout(part);
    return rows;
}

void SettingsPage::addRow(QVBoxLayout *group, const QString &name, const QString &explanation, QWidget *control)
{
    auto *row = new QHBoxLayout;
    row->setSpacing(20);
    auto *words = new QVBoxLayout;
    words->setSpacing(2);
    auto *title = new RoleLabel(theme::Role::Text, name);
    title->setBuddy(control);
    words->addWidget(title);
    if (!explanation.isEmpty()) {
        auto *why = new RoleLabel(theme::Role::Muted, explanation);
        why->setPixelSize(theme::kSmallPixels);
        why->setWordWrap(true);
        words->addWidget(why);
    }
    row->addLayout(words, 1);
    if (control != nullptr) {
        control->setAccessibleName(name);
        control->setFixedWidth(kControlWidth);
        row->addWidget(control, 0, Qt::AlignVCenter);
    }
    group->addLayout(row);
}

void SettingsPage::addAppearance(QVBoxLayout *column)
{
    QVBoxLayout *group = addGroup(column, tr("Appearance"));
    auto *language = new QComboBox;
    language->setObjectName(QStringLiteral("language"));
    language->addItem(tr("As the system"), QString());
    language->addItem(QStringLiteral("English"), QStringLiteral("en"));
    language->addItem(QStringLiteral("简体中文"), QStringLiteral("zh_CN"));
    language->setCurrentIndex(qMax(0, language->findData(m_settings.language())));
    connect(language, &QComboBox::activated, this,
        [this, language] { m_settings.setLanguage(language->currentData().toString()); });
    addRow(group, tr("Language"), tr("Changes at once."), language);

    auto *theme = new QComboBox;
    theme->setObjectName(QStringLiteral("theme"));
    theme->addItem(tr("As the system"), int(Settings::Theme::System));
    theme->addItem(tr("Light"), int(Settings::Theme::Light));
    theme->addItem(tr("Dark"), int(Settings::Theme::Dark));
    theme->setCurrentIndex(qMax(0, theme->findData(int(m_settings.theme()))));
    connect(theme, &QComboBox::activated, this,
        [this, theme] { m_settings.setTheme(Settings::Theme(theme->currentData().toInt())); });
    addRow(group, tr("Theme"), {}, theme);
}

void SettingsPage::addEngine(QVBoxLayout *column)
{
    QVBoxLayout *group = addGroup(column, tr("Engine"));
    auto *device = new QComboBox;
    device->setObjectName(QStringLiteral("device"));
    const std::vector<engine::DeviceInfo> devices = m_engine.devices();
    int threadLimit = 1;
    QString whyNot; // a card cannot be used
    for (const engine::DeviceInfo &info : devices) {
        const QString id = QString::fromStdString(info.id);
        const QString memory = QLocale().formattedDataSize(qint64(info.totalBytes), 0, QLocale::DataSizeSIFormat);
        device->addItem(tr("%1, %2").arg(QString::fromStdString(info.name), memory), id);
        const int at = device->count() - 1;
        device->setItemData(at, info.usable ? QString::fromStdString(info.instructionSet)
                                            : localSentence(info.whyNot), Qt::ToolTipRole);
        if (!info.usable)
            whyNot = localSentence(info.whyNot);
        if (auto *items = qobject_cast<QStandardItemModel *>(device->model()); items != nullptr && !info.usable)
            items->item(at)->setEnabled(false);
        if (id == u"cpu")
            threadLimit = qMax(1, info.threads);
    }
    device->setMinimumContentsLength(20);
    device->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    device->setCurrentIndex(qMax(0, device->findData(m_settings.device())));
    connect(device, &QComboBox::activated, this,
        [this, device] { m_settings.setDevice(device->currentData().toString()); });
    addRow(group, tr("Device"), whyNot.isEmpty() ? tr("Models loaded from now on run here.")
                                                  : tr("Models loaded from now on run here. A card cannot be used: %1").arg(whyNot), device);

    auto *threads = new QSpinBox;
    threads->setObjectName(QStringLiteral("threads"));
    threads->setRange(0, qMax(threadLimit, m_settings.threads()));
    threads->setSpecialValueText(tr("All that are allowed"));
    threads->setValue(m_settings.threads());
    connect(threads, &QSpinBox::valueChanged, this, [this](int value) { m_settings.setThreads(value); });
    addRow(group, tr("Threads"), tr("Of the processor, for models loaded from now on."), threads);
}

void SettingsPage::addData(QVBoxLayout *column)
{
    QVBoxLayout *group = addGroup(column, tr("Data"));
    auto *buttons = new QWidget;
    auto *row = new QHBoxLayout(buttons);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(8);
    row->addStretch(1);
    auto *open = new QPushButton(tr("Open"));
    connect(open, &QPushButton::clicked, this,
        [this] { QDesktopServices::openUrl(QUrl::fromLocalFile(m_store.dataFolder())); });
    auto *change = new QPushButton(tr("Change…"));
    connect(change, &QPushButton::clicked, this, &SettingsPage::chooseDataFolder);
    row->addWidget(open);
    row->addWidget(change);
    addRow(group, tr("Data folder"), QDir::toNativeSeparators(m_store.dataFolder()), buttons);
    m_dataNote = new RoleLabel(theme::Role::Warning);
    m_dataNote->setWordWrap(true);
    m_dataNote->hide();
    group->addWidget(m_dataNote);
    if (QDir(m_settings.dataFolder()) != QDir(m_store.dataFolder())) {
        m_dataNote->setText(tr("From the next start: %1").arg(QDir::toNativeSeparators(m_settings.dataFolder())));
        m_dataNote->show();
    }
    addRow(group, tr("Network"),
        tr("Diptych works offline. Questions, pictures and answers stay on this computer; nothing is sent anywhere."),
        nullptr);
}

void SettingsPage::chooseDataFolder()
{
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Choose the data folder"), m_settings.dataFolder());
    if (folder.isEmpty())
        return;
    m_settings.setDataFolder(folder);
    m_dataNote->setText(tr("From the next start: %1. What is in the present folder stays there.")
            .arg(QDir::toNativeSeparators(folder)));
    m_dataNote->show();
}

void SettingsPage::changeEvent(QEvent *event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        QTimer::singleShot(0, this, &SettingsPage::build); // the box that was used must be gone first
}

} // namespace ui

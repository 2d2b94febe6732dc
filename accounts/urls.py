"""Addresses of this room."""

from django.urls import path

from accounts import phone_views, privacy_views, views

app_name = "accounts"
urlpatterns = [
    path("login/", views.login, name="login"),
    path("login/code/", views.code, name="code"),
    path("login/resend/", views.resend, name="resend"),
    path("logout/", views.logout, name="logout"),
    path("logout/everywhere/", views.logout_everywhere, name="logout_everywhere"),
    path("logout/others/", views.end_other_sessions, name="end_other_sessions"),
    path("profile/", views.profile, name="profile"),
    path("profile/sessions/<str:handle>/end/", views.end_one_session, name="end_session"),
    path("profile/data/", privacy_views.page, name="privacy"),
    path("profile/data/export/", privacy_views.export, name="export_data"),
    path("profile/data/delete/", privacy_views.delete, name="delete_account"),
    path("profile/phone/", phone_views.start, name="change_phone"),
    path("profile/phone/old/", phone_views.old_code, name="change_phone_old"),
    path("profile/phone/new/", phone_views.new_code, name="change_phone_new"),
    path("profile/phone/resend/", phone_views.resend, name="change_phone_resend"),
    path("second-factor/", views.second_factor, name="second_factor"),
    path("enrol/<str:token>/", views.enrol, name="enrol"),
]
